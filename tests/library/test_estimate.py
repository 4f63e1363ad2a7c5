"""Estimates of usage that never came: flagged, and learned from each model's own counts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from otelllm import estimate
from otelllm.call import Call, Reading, Request, Scope, Timing, Usage


@pytest.fixture(autouse=True)
def forgetful() -> Iterator[None]:
    """Nothing learned before, nothing left behind."""
    estimate.forget()
    yield
    estimate.forget()


def _stream(usage: Usage | None = None, *, model: str = "m", sent: int | None = 400, came: int = 800) -> Call:
    return Call(
        provider="p", operation="chat", request=Request(model=model, stream=True, input_chars=sent), scope=Scope(),
        reading=Reading(usage=usage, output_chars=came), timing=Timing(chunks=3),
    )  # fmt: skip


def _estimated(call: Call) -> Usage:
    estimate.fill_usage(call)
    assert call.reading.usage is not None
    return call.reading.usage


def test_a_stream_without_usage_is_estimated_from_its_text() -> None:
    """A quarter of a token a character, and the flag."""
    assert _estimated(_stream()) == Usage(input=100, output=200, estimated=True)


def test_a_providers_count_is_never_touched() -> None:
    """Zeros too; only what is missing is filled in."""
    assert _estimated(_stream(Usage(input=0, output=7))) == Usage(input=0, output=7)
    assert _estimated(_stream(Usage(input=9), model="n")) == Usage(input=9, output=200, estimated=True)


def test_text_outside_ascii_counts_twice() -> None:
    """It is denser in every vocabulary."""
    assert (estimate.size_of("hello"), estimate.size_of("привет")) == (5, 12)


def test_after_twenty_calls_a_bias_of_forty_percent_is_met_within_five() -> None:
    """Learned by model and side; another model has its own."""
    for _ in range(20):
        _estimated(_stream(Usage(input=140, output=280)))
    usage = _estimated(_stream())
    assert usage.input == pytest.approx(140, rel=0.05)
    assert usage.output == pytest.approx(280, rel=0.05)
    assert _estimated(_stream(model="other")).output == 200


def test_hidden_reasoning_teaches_nothing() -> None:
    """It is in the output's count and not in its text."""
    for _ in range(20):
        _estimated(_stream(Usage(input=100, output=1200, reasoning=1000)))
    assert _estimated(_stream()).output == pytest.approx(200, rel=0.05)


def test_a_whole_answer_and_a_stream_that_never_began_are_not_estimated() -> None:
    """Nothing was used, or nothing is known."""
    whole, unbegun = _stream(), _stream()
    whole.request.stream = False
    unbegun.timing.chunks = 0
    for call in (whole, unbegun):
        estimate.fill_usage(call)
        assert call.reading.usage is None
