"""What a request's body says: parameters, and messages in the conventions' shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ... import semconv
from ...call import Message, Part, Request
from ...capture import blob
from ...parts import as_list, text, tool_call
from ...sampling import FLOATS, read_numbers, read_stops

__all__ = ["image", "input_message", "read_parameters"]

_INTEGERS = {"num_predict": semconv.REQUEST_MAX_TOKENS, "seed": semconv.REQUEST_SEED}
# How the base64 of a picture's first bytes begins.
_PICTURES = {"iVBORw": "image/png", "/9j/": "image/jpeg", "R0lGOD": "image/gif", "UklGR": "image/webp"}


def read_parameters(body: Mapping[str, Any]) -> Request:
    """Everything but content, of any of the surfaces."""
    model = body.get("model")
    request = Request(model=model if isinstance(model, str) and model else None, stream=body.get("stream") is True)
    found = request.attributes
    options = body.get("options")
    if isinstance(options, Mapping):
        read_numbers(found, options.get, FLOATS, _INTEGERS)
        if found.get(semconv.REQUEST_MAX_TOKENS, 0) in {-1, -2}:  # without end; to the end of the context
            del found[semconv.REQUEST_MAX_TOKENS]
        read_stops(found, options.get("stop"))
    thinks = body.get("think")
    if isinstance(thinks, bool):
        found[semconv.REQUEST_REASONING_LEVEL] = "enabled" if thinks else "disabled"
    elif isinstance(thinks, str) and thinks:
        found[semconv.REQUEST_REASONING_LEVEL] = thinks
    if body.get("format"):
        found[semconv.OUTPUT_TYPE] = "json"
    elif any(isinstance(body.get(name), int) for name in ("width", "height", "steps")):
        found[semconv.OUTPUT_TYPE] = "image"
    return request


def image(data: Any) -> Part:
    """A picture, as the SDK has encoded it."""
    given = data if isinstance(data, str) else ""
    mime = next((kind for head, kind in _PICTURES.items() if given.startswith(head)), "image/*")
    return blob(mime, "image", given)


def input_message(message: Any) -> Message:
    """A message of the body."""
    said: Mapping[str, Any] = message if isinstance(message, Mapping) else {}
    role, content = str(said.get("role") or "user"), said.get("content")
    if role == "tool":
        part: Part = {"type": "tool_call_response", "response": content or ""}
        if call_id := said.get("tool_call_id") or said.get("tool_name"):
            part["id"] = call_id
        return {"role": role, "parts": [part]}
    parts: list[Part] = []
    if isinstance(thought := said.get("thinking"), str) and thought:
        parts.append({"type": "reasoning", "content": thought})
    if isinstance(content, str) and content:
        parts.append(text(content))
    parts += [image(one) for one in as_list(said.get("images"))]
    for call in as_list(said.get("tool_calls")):
        function = call.get("function") or {}
        parts.append(tool_call(call.get("id"), function.get("name"), function.get("arguments")))
    return {"role": role, "parts": parts}
