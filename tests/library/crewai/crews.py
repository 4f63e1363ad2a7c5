"""Models, tools, agents and crews of the tests."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from crewai import LLM, Agent, Crew, Task
from crewai.llms.base_llm import BaseLLM, llm_call_context
from crewai.tools import BaseTool, tool

import otelllm

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.sdk.trace import ReadableSpan
    from telemetry import Telemetry
    from wire.server import Provider


def told(span: ReadableSpan) -> Mapping[str, Any]:
    return span.attributes or {}


def parent_of(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent else None


def id_of(span: ReadableSpan) -> int:
    return span.context.span_id


def named(otel: Telemetry, start: str) -> list[ReadableSpan]:
    return [span for span in otel.spans if span.name.startswith(start)]


def over_openai(provider: Provider, **options: Any) -> Any:
    return LLM(
        model="gpt-4o-mini", provider="openai", api_key="sk-test", base_url=provider.url, max_retries=0, **options
    )


def chat_body(content: str | None = None, **call: Any) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": content}
    if call:
        function = {"name": call["name"], "arguments": json.dumps(call["arguments"])}
        message["tool_calls"] = [{"id": "call_1", "type": "function", "function": function}]
    return {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if call else "stop"}],
        "usage": {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25},
    }  # fmt: skip


class Local(BaseLLM):
    """A model of the app's own, which sends nothing."""

    answer: Any = "I am local."

    def call(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
        with llm_call_context():
            self._emit_call_started_event(messages=messages)
            for word in ("I ", "am ", "local.") if self.stream else ():
                self._emit_stream_chunk_event(chunk=word)
            if isinstance(self.answer, Exception):
                raise self.answer
            self._emit_call_completed_event(
                response=self.answer,
                call_type="llm_call",
                usage={"prompt_tokens": 7, "completion_tokens": 3, "cached_prompt_tokens": 2},
                finish_reason="stop",
                response_id="local-1",
            )
            return self.answer

    async def acall(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
        await asyncio.sleep(0)
        return self.call(messages)


class Louder(Local):
    """Its own call is its base's, made louder."""

    def call(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
        return str(super().call(messages)).upper()


@tool("Order status")  # type: ignore[misc]
def order_status(order: str) -> str:
    """Where an order is."""
    return look_up(order)


@otelllm.tool
def look_up(order: str) -> str:
    return f"{order} is on its way"


class Broken(BaseTool):  # type: ignore[misc]
    name: str = "broken"
    description: str = "It breaks."

    def _run(self, order: str) -> str:
        raise LookupError(order)


def an_agent(llm: Any, *tools: Any, **options: Any) -> Agent:
    return Agent(role="Helper", goal="Help people", backstory="Kind.", llm=llm, tools=list(tools), **options)


def a_crew(*agents: Agent, **options: Any) -> Crew:
    """Each agent has a task; all but the last work in threads."""
    work = [
        Task(
            description="Where is {order}?",
            expected_output="A place.",
            agent=agent,
            async_execution=agent is not agents[-1],
        )
        for agent in agents
    ]
    return Crew(name="desk", agents=list(agents), tasks=work, verbose=False, **options)


def run_crew(crew: Crew, way: str) -> Any:
    inputs = {"order": "A-1"}
    if way == "kickoff":
        return crew.kickoff(inputs=inputs)

    async def go() -> Any:
        return await getattr(crew, way)(inputs=inputs)

    return asyncio.run(go())
