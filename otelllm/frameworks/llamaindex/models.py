"""What LlamaIndex's events say of a model call that no SDK below has a span of."""

from __future__ import annotations

from typing import Any

from ...call import Call, Message, Part, Usage
from ...fields import field
from ...parts import as_list, text

__all__ = ["read_answer", "read_embeddings"]

_INPUT = ("prompt_tokens", "input_tokens", "prompt_eval_count", "prompt_token_count")
_OUTPUT = ("completion_tokens", "output_tokens", "eval_count", "candidates_token_count")


def read_answer(call: Call, events: Any) -> None:
    """From the start event what was sent, from the end event what came."""
    for event in events or ():
        response = getattr(event, "response", None)
        if call.captures and response is None:
            sent = getattr(event, "messages", None)
            prompt = getattr(event, "prompt", None)
            if sent is not None:
                call.request.messages = [_message(one) for one in sent]
            elif isinstance(prompt, str):
                call.request.messages = [{"role": "user", "parts": [text(prompt)]}]
        if response is not None:
            _read_response(call, response)


def _read_response(call: Call, response: Any) -> None:
    raw = getattr(response, "raw", None)
    call.reading.usage = _usage(field(raw, "usage") or raw)
    for name, target in (("id", "id"), ("model", "model")):
        value = field(raw, name)
        if isinstance(value, str) and value:
            setattr(call.reading, target, value)
    if call.captures:
        message = getattr(response, "message", None)
        said: Message = (
            _message(message)
            if message is not None
            else {"role": "assistant", "parts": [text(getattr(response, "text", ""))]}
        )
        call.reading.messages = [said]


def _usage(told: Any) -> Usage | None:
    counts = [
        next((n for name in names if isinstance(n := field(told, name), int)), None) for names in (_INPUT, _OUTPUT)
    ]
    return Usage(input=counts[0], output=counts[1]) if any(one is not None for one in counts) else None


def _message(message: Any) -> Message:
    role = getattr(message, "role", "user")
    parts: list[Part] = []
    for block in as_list(getattr(message, "blocks", None)):
        if isinstance(said := getattr(block, "text", None), str):
            parts.append(text(said))
        elif type(block).__name__ == "ToolCallBlock":
            parts.append(
                {
                    "type": "tool_call",
                    "id": getattr(block, "tool_call_id", None),
                    "name": getattr(block, "tool_name", ""),
                    "arguments": getattr(block, "tool_kwargs", None),
                }
            )
    return {"role": str(getattr(role, "value", role)), "parts": parts}


def read_embeddings(call: Call, events: Any, result: Any) -> None:
    """What was embedded; vectors are never kept."""
    if not call.captures:
        return
    chunks = [one for event in events or () for one in as_list(getattr(event, "chunks", None)) if isinstance(one, str)]
    if chunks:
        call.request.messages = [{"role": "user", "parts": [text(one)]} for one in chunks]
