"""Summaries of traces: span by span in place, or of parts put together, in any order: the same."""

from __future__ import annotations

import random
from functools import reduce
from itertools import pairwise
from typing import Any

import pytest

from otelllm_collector.enrich import merge, summarise
from otelllm_collector.span_row import SpanRow


def _span(chance: random.Random, number: int, start: int) -> SpanRow:
    return SpanRow(
        trace_id=bytes(16), span_id=number, parent_span_id=chance.choice([None, 1, 2]), name=f"n{number}",
        kind="client",
        start_ns=start, end_ns=start + chance.randrange(100), resource_id=1, scope_id=1, received_ns=0,
        service_name=chance.choice([None, "a", "b"]), status=chance.choice(["ok", "error"]),
        operation=chance.choice([None, "chat", "embeddings", "task"]), provider=chance.choice([None, "openai"]),
        request_model=chance.choice([None, "m1", "m2"]), response_model=chance.choice([None, "m3"]),
        input_tokens=chance.choice([None, 0, 7]), output_tokens=chance.choice([None, 3]),
        cache_read_tokens=chance.choice([None, 1]), cost_usd=chance.choice([None, 0.5]),
        cost_status=chance.choice([None, "exact"]), ttft_s=chance.choice([None, 0.1]),
        first_chunk_s=chance.choice([None, 0.2]), user_id=chance.choice([None, "u1", "u2"]),
        session_id=chance.choice([None, "s"]), feature=chance.choice([None, "f1", "f2", "f3"]),
        counted=chance.random() < 0.9,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
def test_in_place_is_as_put_together(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(50):
        starts = [chance.randrange(40) for _ in range(chance.randrange(1, 12))]
        spans = [_span(chance, number + 1, start) for number, start in enumerate(starts)]
        alone: list[Any] = [summarise([span])[bytes(16)] for span in spans]
        assert summarise(spans)[bytes(16)] == reduce(merge, alone)


def test_sums_and_names_do_not_depend_on_the_order() -> None:
    chance = random.Random(7)
    spans = [_span(chance, number + 1, 10 * number) for number in range(8)]
    found = []
    for _ in range(20):
        chance.shuffle(spans)
        found.append(summarise(spans)[bytes(16)])
    for one, other in pairwise(found):
        assert (one.name, one.start_ns, one.calls, one.input_tokens, one.cost_usd, one.ttft_s) == (
            other.name, other.start_ns, other.calls, other.input_tokens, other.cost_usd, other.ttft_s,
        )  # fmt: skip
        assert sorted(one.models) == sorted(other.models)
