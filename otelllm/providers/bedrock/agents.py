"""Agents that run at Bedrock: what they are told, what they say, and what their traces say that their models used."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from ... import semconv
from ...call import Message, Part, Reading, Request
from ...fields import field as of
from ...fields import plain
from ...parts import as_list, text, tool_call
from ...spec import Delta
from .frames import frame

__all__ = ["AGENT"]


@dataclass(slots=True)
class _Said:
    texts: list[str] = field(default_factory=list)
    calls: list[Part] = field(default_factory=list)


class _Agent:
    """InvokeAgent and InvokeInlineAgent. Its models' calls have no spans: their tokens stand as the agent's total."""

    operation = semconv.INVOKE_AGENT

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        agent, name = plain(kwargs.get("agentId")), plain(kwargs.get("agentName"))
        request = Request(model=plain(kwargs.get("foundationModel")), stream=True, subject=name or agent)
        known = {
            semconv.AGENT_ID: agent,
            semconv.AGENT_NAME: name,
            semconv.CONVERSATION_ID: plain(kwargs.get("sessionId")),
            semconv.AWS_BEDROCK_GUARDRAIL_ID: plain(of(kwargs.get("guardrailConfiguration"), "guardrailIdentifier")),
        }
        request.attributes.update({name: value for name, value in known.items() if value is not None})
        return request

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        state = kwargs.get("sessionState") or kwargs.get("inlineSessionState")
        results = as_list(of(state, "returnControlInvocationResults"))
        parts = [_result(one, of(state, "invocationId")) for one in results]
        made: list[Message] = [{"role": "tool", "parts": parts}] if parts else []
        if isinstance(said := kwargs.get("inputText"), str) and said:
            made.append({"role": "user", "parts": [text(said)]})
        request.messages = made
        if isinstance(told := kwargs.get("instruction"), str):
            request.system = [text(told)]

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        return None  # always a stream

    def fold_chunk(self, reading: Reading, chunk: Any, captures: bool) -> Delta:
        if reading.partial is None:
            reading.partial = _Said()
        said: _Said = reading.partial
        if isinstance(piece := of(chunk.get("chunk"), "bytes"), bytes):
            if captures:
                said.texts.append(piece.decode(errors="replace"))
            return 2 if piece else 0
        if (control := chunk.get("returnControl")) is not None:
            reading.finish_reasons, reading.own_finish_reasons = ["tool_call"], ["returnControl"]
            if captures:
                said.calls += [
                    _call(one, control.get("invocationId")) for one in as_list(control.get("invocationInputs"))
                ]
            return 1
        if (trace := chunk.get("trace")) is not None:
            _read_trace(reading, trace)
        return 0

    def finish(self, reading: Reading, captures: bool) -> None:
        said: _Said | None = reading.partial
        reading.partial = None
        if said is None or not captures:
            return
        content = "".join(said.texts)
        if parts := [*([text(content)] if content else []), *said.calls]:
            reading.messages = [{"role": "assistant", "parts": parts}]

    def answer(self, request: Request, text: str) -> bytes | None:
        return frame("chunk", orjson.dumps({"bytes": base64.b64encode(text.encode()).decode()}))


def _read_trace(reading: Reading, trace: Mapping[str, Any]) -> None:
    """The agent's version, and the tokens of one of its models' calls."""
    found = reading.attributes
    if version := plain(trace.get("agentVersion")):
        found[semconv.AGENT_VERSION] = version
    for step in _steps(trace.get("trace")):
        usage = of(of(of(step, "modelInvocationOutput"), "metadata"), "usage")
        for name, attribute in (("inputTokens", semconv.TOTAL_INPUT), ("outputTokens", semconv.TOTAL_OUTPUT)):
            if isinstance(counted := of(usage, name), int):
                before = found.get(attribute, 0)
                found[attribute] = counted + (before if isinstance(before, int) else 0)


def _steps(trace: Any) -> Iterator[Any]:
    """The orchestration's own step, or one before or after it."""
    if isinstance(trace, Mapping):
        yield from trace.values()


def _call(asked: Any, call_id: Any) -> Part:
    """A function, or a call of an API, that the app is asked to make."""
    given = of(asked, "functionInvocationInput")
    if given is None:
        given = of(asked, "apiInvocationInput")
    name = of(given, "function") or f"{of(given, 'httpMethod') or ''} {of(given, 'apiPath') or ''}".strip()
    parameters = {str(of(one, "name")): of(one, "value") for one in as_list(of(given, "parameters"))}
    return tool_call(call_id, name, parameters)


def _result(told: Any, call_id: Any) -> Part:
    given = of(told, "functionResult")
    if given is None:
        given = of(told, "apiResult")
    body = of(given, "responseBody")
    pieces = [of(one, "body") for one in body.values()] if isinstance(body, Mapping) else []
    return {"type": "tool_call_response", "id": call_id, "response": pieces[0] if len(pieces) == 1 else pieces}


AGENT = _Agent()
