"""What LangChain's events hold: a model call's request and answer, a step's inputs and outputs, documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import orjson

from ... import semconv
from ...call import Call, Cost, Part, Usage
from ...capture import Content
from ...estimate import size_of
from ...fields import field
from ...json_tree import plain
from ...parts import as_list, text
from ...runs import Run
from ...sampling import FLOATS, read_numbers, read_stops
from ...spec import Delta
from .messages import as_message, as_text, is_message, messages_of, tool_definitions

__all__ = [
    "Asked", "answer", "delta", "event_delta", "tool_result", "write_inputs", "write_outputs",
]  # fmt: skip

_PROVIDERS = {
    "amazon_bedrock": "aws.bedrock",
    "azure": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "google_genai": "gcp.gemini",
    "google_vertexai": "gcp.vertex_ai",
    "google_anthropic_vertex": "gcp.vertex_ai",
    "ibm": "ibm.watsonx.ai",
    "mistral": "mistral_ai",
    "mistralai": "mistral_ai",
    "moonshot": "moonshot_ai",
    "together": "together_ai",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
}
"""LangChain's words for providers, where the conventions have others."""
_INTEGERS = {
    "max_tokens": semconv.REQUEST_MAX_TOKENS,
    "max_completion_tokens": semconv.REQUEST_MAX_TOKENS,
    "max_output_tokens": semconv.REQUEST_MAX_TOKENS,
    "max_new_tokens": semconv.REQUEST_MAX_TOKENS,
    "num_predict": semconv.REQUEST_MAX_TOKENS,
    "seed": semconv.REQUEST_SEED,
}
_FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_call",
    "tool_use": "tool_call",
    "function_call": "tool_call",
    "refusal": "content_filter",
    "safety": "content_filter",
}
_OWN_ID = ("lc_run-", "run-", "lc_")
"""How the ids begin that LangChain makes itself, where the provider gave none."""


class Asked:
    """What a model's start event knew. Read at the end, and only where no SDK's call below had it."""

    __slots__ = ("_more", "_sent", "_serialized")

    def __init__(self, serialized: Mapping[str, Any] | None, sent: list[Any], more: Mapping[str, Any]) -> None:
        self._serialized = serialized
        self._sent = sent
        self._more = more

    def fill(self, call: Call) -> None:
        """Provider, model and parameters of the call."""
        params: Mapping[str, Any] = self._more.get("invocation_params") or {}
        metadata: Mapping[str, Any] = self._more.get("metadata") or {}
        call.provider = self._provider(metadata, params)
        request = call.request
        model = (
            params.get("model") or params.get("model_name") or params.get("model_id") or metadata.get("ls_model_name")
        )
        request.model = str(model) if model else None
        read_numbers(request.attributes, params.get, FLOATS, _INTEGERS)
        read_stops(request.attributes, params.get("stop"))
        choices = params.get("n")
        if isinstance(choices, int) and choices != 1:
            request.attributes[semconv.REQUEST_CHOICE_COUNT] = choices
        if params.get("response_format") or "ls_structured_output_format" in (self._more.get("options") or {}):
            request.attributes[semconv.OUTPUT_TYPE] = "json"
        if request.stream:
            request.input_chars = sum(_size(one) for one in self._sent)

    def fill_content(self, call: Call) -> None:
        """What was sent, and the tools offered, where that is captured."""
        if not call.captures:
            return
        call.request.messages = messages_of(self._sent)
        params: Mapping[str, Any] = self._more.get("invocation_params") or {}
        if tools := params.get("tools"):
            call.request.tools = tool_definitions(tools)

    def _provider(self, metadata: Mapping[str, Any], params: Mapping[str, Any]) -> str:
        told = metadata.get("ls_provider")
        if not told:
            path = (self._serialized or {}).get("id") or [params.get("_type") or "unknown"]
            told = str(path[-1]).removeprefix("Chat").removesuffix("LLM") or path[-1]
        told = str(told).lower()
        return _PROVIDERS.get(told, told)


def answer(call: Call, response: Any, run_id: UUID) -> None:
    """Fill the call's reading from an `LLMResult`; one of LangChain's own cache is marked, for nothing was used."""
    reading = call.reading
    choices = [one for one in (_choices(response) if response is not None else ()) if one is not None]
    said: Mapping[str, Any] = field(response, "llm_output") or {}
    for choice in choices:
        message = field(choice, "message")
        told = {**said, **(field(choice, "generation_info") or {}), **(field(message, "response_metadata") or {})}
        reading.model = reading.model or _text_of(told.get("model_name") or told.get("model"))
        reading.id = reading.id or _id(message, told)
        reading.tier = reading.tier or _tier(told)
        if own := _text_of(told.get("finish_reason") or told.get("stop_reason") or told.get("done_reason")):
            reading.own_finish_reasons.append(own)
            reading.finish_reasons.append(_FINISH.get(own.lower(), own.lower()))
        elif finish := _finish_by_status(message, told):
            reading.own_finish_reasons.append(finish)
            reading.finish_reasons.append(finish)
        reading.output_chars += _size(message if message is not None else field(choice, "text"))
        if call.captures:
            shown = as_message(message) if message is not None else as_text(field(choice, "text"))
            if shown["parts"]:
                reading.messages.append(shown)
    reading.usage = _usage(choices, said)
    if any(_is_from_cache(field(one, "message"), run_id) for one in choices):
        reading.usage = None
        reading.attributes[semconv.CACHE_OUTCOME] = "hit"
        call.cost = Cost("cached", 0.0)


def _choices(response: Any) -> Sequence[Any]:
    generations = as_list(field(response, "generations"))
    return as_list(generations[0]) if generations else ()


def _tier(told: Mapping[str, Any]) -> str | None:
    tier = _text_of(told.get("service_tier"))
    return "standard" if tier in {"default", "auto"} else tier


def _finish_by_status(message: Any, told: Mapping[str, Any]) -> str | None:
    """Of OpenAI's Responses, which give no reason but a status."""
    status = told.get("status")
    if status == "completed":
        return "tool_call" if field(message, "tool_calls") else "stop"
    if status == "incomplete":
        return "content_filter" if field(told.get("incomplete_details"), "reason") == "content_filter" else "length"
    return "error" if status == "failed" else None


def _text_of(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _id(message: Any, told: Mapping[str, Any]) -> str | None:
    found = _text_of(told.get("id")) or _text_of(field(message, "id"))
    return None if found is None or found.startswith(_OWN_ID) else found


def _is_from_cache(message: Any, run_id: UUID) -> bool:
    """LangChain says that it cost nothing; before it said so, the message had the id of the run that it was made in."""
    if message is None:
        return False
    if (field(message, "usage_metadata") or {}).get("total_cost") == 0:
        return True
    own = _text_of(field(message, "id")) or ""
    return own.startswith(_OWN_ID) and str(run_id) not in own


def _usage(choices: Sequence[Any], said: Mapping[str, Any]) -> Usage | None:
    """LangChain's standard counts (cache and reasoning are in the totals); else the older ways to say them."""
    for choice in choices:
        counts = field(field(choice, "message"), "usage_metadata")
        if counts and counts.get("input_tokens") is not None:
            return _standard_usage(counts)
    counts = said.get("token_usage") or said.get("usage") or {}
    for choice in choices:
        counts = counts or (field(choice, "generation_info") or {}).get("usage") or {}
    if not isinstance(counts, Mapping):
        return None
    usage = Usage(
        input=_count(counts, "prompt_tokens", "input_tokens", "prompt_eval_count"),
        output=_count(counts, "completion_tokens", "output_tokens", "eval_count"),
    )
    return usage if usage.input is not None or usage.output is not None else None


def _standard_usage(counts: Mapping[str, Any]) -> Usage:
    came: Mapping[str, Any] = counts.get("input_token_details") or {}
    went: Mapping[str, Any] = counts.get("output_token_details") or {}
    usage = Usage(
        input=_count(counts, "input_tokens"),
        output=_count(counts, "output_tokens"),
        cache_read=_count(came, "cache_read", "flex_cache_read", "priority_cache_read"),
        cache_write=_count(came, "cache_creation"),
        cache_write_1h=_count(came, "ephemeral_1h_input_tokens"),
        reasoning=_count(went, "reasoning", "flex_reasoning", "priority_reasoning"),
        audio_input=_count(came, "audio"),
        audio_output=_count(went, "audio"),
    )
    kept = [_count(came, "ephemeral_5m_input_tokens"), usage.cache_write_1h]
    if any(kept):  # said by their time to live: the sum beside them is then left at 0
        usage.cache_write = sum(one or 0 for one in kept)
    return usage


def _count(counts: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        value = counts.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return None


def _size(given: Any) -> int:
    """The size of a text, or of a message's texts (see estimate)."""
    content = given if isinstance(given, str) else field(given, "content")
    if isinstance(content, str):
        return size_of(content)
    return sum(
        size_of(one) if isinstance(one, str) else size_of(str(one.get("text") or "")) if isinstance(one, Mapping) else 0
        for one in as_list(content)
    )


def delta(token: Any, chunk: Any) -> Delta:
    """What a streamed chunk carried."""
    if isinstance(token, str) and token:
        return 2
    message = getattr(chunk, "message", None)
    if message is None:
        return 0
    content = message.content
    if isinstance(content, str):
        if content:
            return 2
    elif any(isinstance(one, str) or (isinstance(one, Mapping) and one.get("text")) for one in as_list(content)):
        return 2
    elif any(isinstance(one, Mapping) and (one.get("reasoning") or one.get("thinking")) for one in as_list(content)):
        return 1
    if getattr(message, "tool_call_chunks", None):
        return 1
    return 1 if message.additional_kwargs.get("reasoning_content") else 0


def event_delta(event: Mapping[str, Any]) -> Delta | None:
    """The same of an event of the newer protocol; None where it is no chunk of the answer."""
    if event.get("event") != "content-block-delta":
        return None
    kind = field(event.get("delta"), "type")
    return 2 if kind == "text-delta" else 1 if kind in {"reasoning-delta", "tool-call-delta", "block-delta"} else 0


def _as_part(value: Any) -> Part:
    return text(value if isinstance(value, str) else orjson.dumps(plain(value)).decode())


def _messages_in(state: Any) -> Sequence[Any] | None:
    """The messages of a prompt or of a graph's state; None where it has none."""
    found = state if isinstance(state, list) else field(state, "messages")
    if found is None or isinstance(found, str) or not hasattr(found, "__len__"):
        return [state] if is_message(state) and not isinstance(state, Mapping) else None
    found = as_list(found)
    return found if found and all(is_message(one) for one in found) else None


def _is_nothing(value: Any) -> bool:
    return value is None or (isinstance(value, str | dict | list) and not value)


def write_inputs(content: Content, inputs: Any) -> bool:
    """Keep what a chain or graph was given; False where that is told at its end only, as of a chain that streams."""
    lone = inputs.get("input") if isinstance(inputs, dict) and len(inputs) == 1 else None
    if isinstance(lone, str) and not lone:
        return False
    found = _messages_in(inputs)
    if found is not None:
        content.write(semconv.INPUT_MESSAGES, messages_of(found))
    elif not _is_nothing(inputs):
        content.write(semconv.INPUT_MESSAGES, [{"role": "user", "parts": [_as_part(inputs)]}])
    return True


def write_outputs(content: Content, outputs: Any) -> None:
    """Keep what it gave: of a conversation the newest message, for the rest of it is on the calls below."""
    found = _messages_in(outputs)
    if found is not None:
        content.write(semconv.OUTPUT_MESSAGES, messages_of(found[-1:]))
    elif not _is_nothing(outputs):
        content.write(semconv.OUTPUT_MESSAGES, [{"role": "assistant", "parts": [_as_part(outputs)]}])


def tool_result(run: Run, output: Any) -> str | None:
    """Keep what a tool gave; "tool_error" where it says itself that it failed."""
    if field(output, "type") == "tool" and hasattr(output, "tool_call_id"):
        if output.tool_call_id:
            run.found[semconv.TOOL_CALL_ID] = str(output.tool_call_id)
        if run.content is not None:
            run.content.write(semconv.TOOL_CALL_RESULT, output.content)
        return "tool_error" if getattr(output, "status", None) == "error" else None
    if run.content is not None:
        run.content.write(semconv.TOOL_CALL_RESULT, output)
    return None
