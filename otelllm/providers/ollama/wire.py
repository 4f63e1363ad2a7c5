"""What the server says and the SDK's classes drop: seen where the SDK makes its objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...call import Part, Reading, Usage
from ...fields import members
from ...safely import safely
from ...semconv import SERVER_TIMING

__all__ = ["State", "Wire", "count", "read_end", "state_of"]

_DURATIONS = {
    "total_duration": "total",
    "load_duration": "load",
    "prompt_eval_duration": "prompt",
    "eval_duration": "output",
}


_TOLD = frozenset({"prompt_eval_cached_count", "error"})


@dataclass(slots=True)
class State:
    """What is kept of an answer while it comes."""

    texts: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    calls: list[Part] = field(default_factory=list)
    images: list[Part] = field(default_factory=list)
    ids: list[str | None] = field(default_factory=list)
    """Of the tool calls, in the order in which they came."""
    cached: int | None = None


def state_of(reading: Reading) -> State:
    """What is kept of this answer."""
    if reading.partial is None:
        reading.partial = State()
    state: State = reading.partial
    return state


class Wire:
    """Stands in for a response class: makes the SDK's own objects, and reads what they lack."""

    __slots__ = ("_kind", "_reading")

    def __init__(self, kind: Callable[..., Any], reading: Reading) -> None:
        self._kind = kind
        self._reading = reading

    def __call__(self, **part: Any) -> Any:
        """The SDK's object of one JSON object of the wire."""
        message = part.get("message")
        if not _TOLD.isdisjoint(part) or (type(message) is dict and "tool_calls" in message):
            with safely("reading what the server says"):
                self._see(part, message)
        return self._kind(**part)

    def _see(self, part: Mapping[str, Any], message: Any) -> None:
        state = state_of(self._reading)
        if isinstance(error := part.get("error"), str) and error:
            self._reading.error_type, self._reading.error_message = "error", error
        if (cached := count(part.get("prompt_eval_cached_count"))) is not None:
            state.cached = cached
        for call in (message.get("tool_calls") or ()) if isinstance(message, dict) else ():
            call_id = call.get("id")
            state.ids.append(call_id if isinstance(call_id, str) and call_id else None)


def count(value: Any) -> int | None:
    """A count that the server gave; 0 is one."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def read_end(reading: Reading, body: Any) -> None:
    """Model, usage and the server's own timing, as far as this answer (or last chunk) says them."""
    said = members(body)
    if isinstance(model := said.get("model"), str) and model:
        reading.model = model
    given, made = count(said.get("prompt_eval_count")), count(said.get("eval_count"))
    if given is not None or made is not None:
        reading.usage = Usage(input=given, output=made, cache_read=state_of(reading).cached)
    for name, short in _DURATIONS.items():
        if (nanoseconds := count(said.get(name))) is not None:
            reading.attributes[SERVER_TIMING + short] = nanoseconds / 1e9
