"""Bodies of InvokeModel that hold a prompt and give texts: a family a model maker, each with words of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from ... import semconv
from ...call import Message, Part, Reading, Request, Usage
from ...estimate import size_of
from ...fields import count, field, members, plain
from ...parts import as_list, text, tool_call
from ...spec import Delta, Surface
from .parameters import read_parameters

__all__ = ["TEXTS", "text_family"]

_FINISH = {
    "finish": "stop", "complete": "stop", "stop_criteria_met": "stop", "endoftext": "stop", "end_turn": "stop",
    "stop_sequence": "stop", "eos": "stop",
    "max_tokens": "length", "length": "length",
    "content_filtered": "content_filter", "error_toxic": "content_filter",
    "error": "error", "error_limit": "error", "tool_calls": "tool_call",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Piece:
    """What an answer or a chunk says of one of its texts."""

    content: Any
    finish: Any = None
    tools: Any = None


def _pieces(said: Mapping[str, Any]) -> Iterator[_Piece]:
    """The texts of an answer or a chunk, whichever family it is of: no two use the same word for different things."""
    for name in ("results", "outputs", "choices", "generations", "completions"):
        for one in as_list(said.get(name)):
            data = field(one, "data")
            content = field(one, "text") if data is None else field(data, "text")
            finish = next((field(one, own) for own in _REASONS if field(one, own) is not None), None)
            yield _Piece(field(one, "outputText") if content is None else content, finish)
    # A chunk of chat repeats the whole answer in its last event, under "response".
    content = next(
        (said[own] for own in ("outputText", "generation", "completion", "text", "message") if own in said), None
    )
    finish = next((said[own] for own in _REASONS if said.get(own) is not None), None)
    if content is not None or finish is not None or said.get("tool_calls"):
        yield _Piece(content, finish, said.get("tool_calls"))


_REASONS = ("finish_reason", "stop_reason", "completionReason", "finishReason")


def _usage(said: Mapping[str, Any]) -> Usage | None:
    """What titan, llama and the old j2 count in their bodies."""
    results, completions = as_list(said.get("results")), as_list(said.get("completions"))
    outputs = [count(field(one, "tokenCount")) for one in results]
    found = (
        (
            count(said.get("inputTextTokenCount")),
            count(said.get("prompt_token_count")),
            _length(field(said.get("prompt"), "tokens")),
        ),
        (
            count(said.get("totalOutputTextTokenCount")),
            count(said.get("generation_token_count")),
            sum(each or 0 for each in outputs) if any(each is not None for each in outputs) else None,
            sum(_length(field(field(one, "data"), "tokens")) or 0 for one in completions) if completions else None,
        ),
    )
    into, out = (next((one for one in side if one is not None), None) for side in found)
    return None if into is None and out is None else Usage(input=into, output=out)


def _length(tokens: Any) -> int | None:
    return len(tokens) if isinstance(tokens, list) else None


class _Texts:
    """One family: where its prompt and its parameters are, and how a static answer of its looks, whole and as a chunk
    ("TEXT" stands for the text).
    """

    def __init__(
        self,
        prompt: str,
        *,
        whole: Mapping[str, Any],
        chunk: Mapping[str, Any],
        config: str | None = None,
        operation: str = semconv.TEXT_COMPLETION,
    ) -> None:
        self._prompt, self._config = prompt, config
        self._whole, self._chunk = whole, chunk
        self.operation = operation

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        request = Request(model=plain(kwargs.get("model")))
        read_parameters(request.attributes, kwargs.get(self._config) if self._config else kwargs)
        if isinstance(prompt := kwargs.get(self._prompt), str):
            request.input_chars = size_of(prompt)
        return request

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        made: list[Message] = []
        for one in as_list(kwargs.get("chat_history")):
            role = "assistant" if field(one, "role") in {"CHATBOT", "assistant"} else "user"
            made.append({"role": role, "parts": [text(field(one, "message") or field(one, "text") or "")]})
        if isinstance(prompt := kwargs.get(self._prompt), str) and prompt:
            made.append({"role": "user", "parts": [text(prompt)]})
        request.messages = made
        if isinstance(system := kwargs.get("preamble") or kwargs.get("system"), str):
            request.system = [text(system)]
        if tools := as_list(kwargs.get("tools")):
            request.tools = [_tool(one) for one in tools]

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        said = members(body)
        reading.id = plain(said.get("response_id")) or plain(said.get("generation_id")) or plain(said.get("id"))
        reading.usage = _usage(said) or reading.usage
        for one in _pieces(said):
            _finish(reading, one.finish)
            if captures and (parts := _parts(one.content, one.tools)):
                reading.messages.append({"role": "assistant", "parts": parts})

    def fold_chunk(self, reading: Reading, chunk: Any, captures: bool) -> Delta:
        said = members(chunk)
        if reading.partial is None:
            reading.partial = _Partial()
        partial: _Partial = reading.partial
        reading.id = plain(said.get("response_id")) or plain(said.get("generation_id")) or reading.id
        if (usage := _usage(said)) is not None:
            before = reading.usage or Usage()
            # The prompt's count is in the first chunk alone, the answer's counts up.
            reading.usage = Usage(
                input=before.input if usage.input is None else usage.input,
                output=before.output if usage.output is None else usage.output,
            )
        found: Delta = 0
        for index, one in enumerate(_pieces(said)):
            if isinstance(one.finish, str | Mapping):
                partial.finishes[index] = one.finish
            partial.tools += as_list(one.tools)
            if isinstance(one.content, str) and one.content:
                found = 2
                reading.output_chars += size_of(one.content)
                if captures:
                    partial.texts.setdefault(index, []).append(one.content)
            elif one.tools:
                found = max(found, 1)
        return found

    def finish(self, reading: Reading, captures: bool) -> None:
        partial: _Partial | None = reading.partial
        reading.partial = None
        if partial is None:
            return
        for _, own in sorted(partial.finishes.items()):
            _finish(reading, own)
        if not captures:
            return
        texts = [
            ("".join(pieces), partial.tools if not index else []) for index, pieces in sorted(partial.texts.items())
        ]
        for content, tools in texts or [("", partial.tools)]:
            if parts := _parts(content, tools):
                reading.messages.append({"role": "assistant", "parts": parts})

    def answer(self, request: Request, text: str) -> bytes | None:
        said = orjson.dumps(self._chunk if request.stream else self._whole).replace(b'"TEXT"', orjson.dumps(text))
        return b"data: " + said + b"\n\n" if request.stream else said


class _Partial:
    """Texts and finish reasons by their index, and tool calls, so far."""

    __slots__ = ("finishes", "texts", "tools")

    def __init__(self) -> None:
        self.texts: dict[int, list[str]] = {}
        self.finishes: dict[int, Any] = {}
        self.tools: list[Any] = []


def _finish(reading: Reading, own: Any) -> None:
    word = field(own, "reason") if isinstance(own, Mapping) else own
    if isinstance(word, str) and word:
        reading.own_finish_reasons.append(word)
        reading.finish_reasons.append(_FINISH.get(word.lower(), word))


def _parts(content: Any, tools: Any) -> list[Part]:
    parts = [text(content)] if isinstance(content, str) and content else []
    return parts + [tool_call(None, field(one, "name"), field(one, "parameters")) for one in as_list(tools)]


def _tool(tool: Any) -> Part:
    definition: Part = {"type": "function", "name": field(tool, "name")}
    if isinstance(described := field(tool, "description"), str):
        definition["description"] = described
    if isinstance(given := field(tool, "parameter_definitions"), Mapping):
        definition["parameters"] = given
    return definition


def _one(name: str, **more: Any) -> dict[str, Any]:
    return {name: [{"text": "TEXT", **more}]}


_FINISHED = {"outputText": "TEXT", "completionReason": "FINISH"}
_TITAN = _Texts(
    "inputText", config="textGenerationConfig",
    whole={"inputTextTokenCount": 0, "results": [{"tokenCount": 0, **_FINISHED}]},
    chunk={**_FINISHED, "index": 0, "inputTextTokenCount": 0, "totalOutputTextTokenCount": 0},
)  # fmt: skip
_GENERATED = {"generation": "TEXT", "prompt_token_count": 0, "generation_token_count": 0, "stop_reason": "stop"}
_LLAMA = _Texts("prompt", whole=_GENERATED, chunk=_GENERATED)
_PUT_OUT = _one("outputs", stop_reason="stop")
_MISTRAL = _Texts("prompt", whole=_PUT_OUT, chunk=_PUT_OUT)
_CHOSEN = _one("choices", stop_reason="stop")
_CHOICES = _Texts("prompt", whole=_CHOSEN, chunk=_CHOSEN)
_COMPLETED = {"completion": "TEXT", "stop_reason": "stop_sequence", "stop": "\n\nHuman:"}
_CLAUDE = _Texts("prompt", whole=_COMPLETED, chunk=_COMPLETED)
_ENDED = {"text": "TEXT", "is_finished": True, "finish_reason": "COMPLETE"}
_COMMAND = _Texts(
    "prompt", whole={"id": "otelllm", **_one("generations", id="otelllm", finish_reason="COMPLETE")}, chunk=_ENDED
)
_COMMAND_R = _Texts(
    "message", operation=semconv.CHAT,
    whole={"response_id": "otelllm", "text": "TEXT", "generation_id": "otelllm", "finish_reason": "COMPLETE"},
    chunk={"event_type": "text-generation", **_ENDED},
)  # fmt: skip
_J2_DATA = {"data": {"text": "TEXT"}, "finishReason": {"reason": "endoftext"}}
_J2 = _Texts("prompt", whole={"prompt": {}, "completions": [_J2_DATA]}, chunk={})
_MESSAGE = {"message": "TEXT", "finishReason": "stop"}
_PEGASUS = _Texts("inputPrompt", operation=semconv.CHAT, whole=_MESSAGE, chunk=_MESSAGE)
TEXTS: tuple[Surface, ...] = (
    _TITAN, _LLAMA, _MISTRAL, _CHOICES, _CLAUDE, _COMMAND, _COMMAND_R, _J2, _PEGASUS,
)  # fmt: skip
# The body's own word, and where that is "prompt" what is in the model's id. Any other prompt is answered with choices.
_BY_BODY = {"inputText": _TITAN, "inputPrompt": _PEGASUS, "message": _COMMAND_R, "max_gen_len": _LLAMA}
_BY_MODEL = {"anthropic.": _CLAUDE, "llama": _LLAMA, "mistral": _MISTRAL, "mixtral": _MISTRAL, "cohere.": _COMMAND,
             "ai21.": _J2}  # fmt: skip


def text_family(model: str, body: Mapping[str, Any]) -> Surface:
    """The family of a body without messages."""
    found = next((family for word, family in _BY_BODY.items() if word in body), None)
    return found or next((family for word, family in _BY_MODEL.items() if word in model), _CHOICES)
