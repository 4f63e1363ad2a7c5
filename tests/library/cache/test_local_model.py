"""The cache over a real model on this machine: through both SDKs, whole and streamed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import anthropic
import openai
import pytest
from end_to_end.app import model_server
from library.cache.asking import comparable

from otelllm import semconv

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from telemetry import Telemetry

pytestmark = pytest.mark.slow
pytest.importorskip("xllamacpp", reason="the local model is not in every environment of the test matrix")

ASKED = {"model": "gemma-3-270m", "messages": [{"role": "user", "content": "Lighthouses are"}], "max_tokens": 40}
ENDS = ["\n"]
"""So that the model comes to an end: a truncated answer is not kept."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with model_server() as url:
        yield url


@pytest.mark.parametrize("sdk", ["openai", "anthropic"])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_real_answer_is_given_again(otel: Telemetry, url: str, sdk: str, streamed: bool) -> None:
    """The same objects, at once."""
    otel.instrument(policy={"cache": {"exact": {"scope": "all"}}})
    client: Any
    create: Callable[..., Any]
    if sdk == "openai":
        client = openai.OpenAI(api_key="none", base_url=url, timeout=240)
        create, more = client.chat.completions.create, {"temperature": 0, "stop": ENDS}
    else:
        client = anthropic.Anthropic(api_key="none", base_url=url.removesuffix("/v1"), timeout=240)
        create, more = client.messages.create, {"extra_body": {"temperature": 0}, "stop_sequences": ENDS}
    seen, took = [], []
    with client:
        for _ in range(2):
            began = time.monotonic()
            answer = create(**ASKED, **more, stream=streamed)
            seen.append(comparable(list(answer) if streamed else [answer]))
            took.append(time.monotonic() - began)
    first, second = (span.attributes or {} for span in otel.spans)
    assert (first[semconv.CACHE_OUTCOME], second[semconv.CACHE_OUTCOME]) == ("stored", "hit")
    assert seen[0] == seen[1]
    assert second[semconv.CACHE_SAVED_SECONDS] == pytest.approx(took[0], rel=0.5)
    assert semconv.USAGE_INPUT in first
    assert semconv.USAGE_INPUT not in second
