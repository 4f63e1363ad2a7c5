"""What a request's body says: parameters, and messages in the conventions' shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ... import semconv
from ...call import Message, Part, Request
from ...capture import blob
from ...parts import as_list, text, tool_call

__all__ = ["image", "input_message", "read_parameters"]

_FLOATS = {
    "temperature": semconv.REQUEST_TEMPERATURE,
    "top_p": semconv.REQUEST_TOP_P,
    "top_k": semconv.REQUEST_TOP_K,
    "presence_penalty": semconv.REQUEST_PRESENCE_PENALTY,
    "frequency_penalty": semconv.REQUEST_FREQUENCY_PENALTY,
}
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
        for name, attribute in _FLOATS.items():
            value = options.get(name)
            if isinstance(value, int | float) and not isinstance(value, bool):
                found[attribute] = float(value)
        for name, attribute in _INTEGERS.items():
            value = options.get(name)
            # num_predict -1 and -2 mean without end, and to the end of the context
            if isinstance(value, int) and not isinstance(value, bool) and (value >= 0 or name == "seed"):
                found[attribute] = value
        stop = options.get("stop")
        stops = [stop] if isinstance(stop, str) else as_list(stop)
        if stops and all(isinstance(one, str) for one in stops):
            found[semconv.REQUEST_STOP_SEQUENCES] = list(stops)
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
