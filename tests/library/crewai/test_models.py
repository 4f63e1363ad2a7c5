"""Model calls of the real CrewAI: over its openai class, and of models of the app's own; one span a call."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from crewai.hooks import register_before_llm_call_hook, unregister_before_llm_call_hook
from crewai.tools import tool
from wire import files
from wire.server import sse, whole

from otelllm import semconv

from .crews import (
    Local,
    Louder,
    id_of,
    named,
    over_openai,
    parent_of,
)

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


def test_a_local_model_has_a_span_made_late(otel: Telemetry) -> None:
    otel.instrument(capture="full")
    assert Local(model="mine", temperature=0.5).call("What of it?") == "I am local."
    told = otel.attributes
    assert otel.span.name == "chat mine"
    assert told[semconv.PROVIDER] == "local"
    assert told[semconv.REQUEST_TEMPERATURE] == 0.5
    assert (told[semconv.USAGE_INPUT], told[semconv.USAGE_OUTPUT], told[semconv.USAGE_CACHE_READ]) == (7, 3, 2)
    assert told[semconv.RESPONSE_ID] == "local-1"
    assert list(told[semconv.RESPONSE_FINISH_REASONS]) == ["stop"]
    assert otel.messages(semconv.INPUT_MESSAGES) == [
        {"role": "user", "parts": [{"type": "text", "content": "What of it?"}]}
    ]
    assert otel.messages(semconv.OUTPUT_MESSAGES)[0]["parts"] == [{"type": "text", "content": "I am local."}]


def test_usage_that_only_the_base_class_hears_of(otel: Telemetry) -> None:
    class Counting(Local):
        def call(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
            self._track_token_usage_internal({"input_tokens": 11, "output_tokens": 4})
            return "Yes."

    Counting(model="mine").call("Hm?")
    assert (otel.attributes[semconv.USAGE_INPUT], otel.attributes[semconv.USAGE_OUTPUT]) == (11, 4)
    otel.clear()

    class Silent(Local):
        def call(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
            return "Yes."

    Silent(model="mine").call("Hm?")
    assert semconv.USAGE_INPUT not in otel.attributes, "unknown is left out"


def test_a_local_model_that_streams_tells_its_chunks(otel: Telemetry) -> None:
    Local(model="mine", stream=True).call("What of it?")
    assert otel.attributes[semconv.STREAM_CHUNKS] == 3
    assert semconv.TTFT in otel.attributes


def test_a_class_made_later_and_its_way_to_its_base_are_one_call(otel: Telemetry) -> None:
    assert Louder(model="mine").call("Hm?") == "I AM LOCAL."
    assert otel.span.name == "chat mine"
    otel.clear()

    class Later(Local):
        async def acall(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
            return await super().acall(messages)

    assert asyncio.run(Later(model="later").acall("Hm?")) == "I am local."
    assert otel.span.name == "chat later"


def test_over_an_sdk_its_span_is_the_only_one(otel: Telemetry, provider: Provider) -> None:
    provider.reply(whole(files.body("openai/chat.json")))
    assert over_openai(provider).call("Hello")
    assert otel.span.name == "chat gpt-4o-mini"
    assert semconv.COST in otel.attributes
    otel.clear()
    provider.reply(sse(files.events("openai/chat_stream.sse")))
    assert over_openai(provider, stream=True).call("Hello")
    assert otel.attributes[semconv.STREAM_END] == "complete"
    otel.clear()
    provider.reply(whole(files.body("openai/chat.json")))
    assert asyncio.run(over_openai(provider).acall("Hello"))
    assert otel.span.name == "chat gpt-4o-mini"


def test_a_local_model_that_asks_for_a_tool(otel: Telemetry) -> None:
    otel.instrument(capture="full")
    wanted = [{"id": "c1", "type": "function", "function": {"name": "order_status", "arguments": '{"order": "A-1"}'}}]
    Local(model="mine", answer=wanted).call([{"role": "system", "content": "Be kind."}])
    assert otel.messages(semconv.OUTPUT_MESSAGES)[0]["parts"] == [
        {"type": "tool_call", "id": "c1", "name": "order_status", "arguments": {"order": "A-1"}}
    ]


def test_a_call_inside_a_tool_inside_a_call_is_its_own(otel: Telemetry) -> None:
    inner = Local(model="mine")

    @tool("ask")  # type: ignore[misc]
    def ask(question: str) -> str:
        """Asks the same model."""
        return str(inner.call(question))

    class Asking(Local):
        def call(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
            return self.answer.run(question=messages)

    assert Asking(model="outer", answer=ask).call("Hm?") == "I am local."
    (chat,), (ran,), (outer,) = named(otel, "chat mine"), named(otel, "execute_tool ask"), named(otel, "chat outer")
    assert parent_of(chat) == id_of(ran)
    assert parent_of(outer) is None


def test_what_a_hook_refuses_is_no_model_call(otel: Telemetry, provider: Provider) -> None:
    def refuse(_: Any) -> bool:
        return False

    register_before_llm_call_hook(refuse)
    try:
        with pytest.raises(ValueError, match="blocked"):
            over_openai(provider).call("Hm?")
    finally:
        unregister_before_llm_call_hook(refuse)
    assert otel.spans == []
