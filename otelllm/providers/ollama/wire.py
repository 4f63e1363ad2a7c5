"""What the server says, read where the SDK makes its objects: their classes drop what their version does not know."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import update_wrapper
from typing import Any

from ...call import Part, Reading, Usage
from ...fields import count, members
from ...semconv import SERVER_TIMING

__all__ = ["State", "read_end", "said_by", "state_of", "told_to"]

_DURATIONS = {
    "total_duration": "total",
    "load_duration": "load",
    "prompt_eval_duration": "prompt",
    "eval_duration": "output",
}


@dataclass(slots=True)
class State:
    """What is kept of an answer while it comes."""

    told: deque[Mapping[str, Any]] = field(default_factory=deque)
    """The JSON of the chunks that are not folded yet."""
    texts: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    calls: list[Part] = field(default_factory=list)
    images: list[Part] = field(default_factory=list)


def state_of(reading: Reading) -> State:
    """What is kept of this answer."""
    if reading.partial is None:
        reading.partial = State()
    state: State = reading.partial
    return state


def told_to(kind: Callable[..., Any], reading: Reading) -> Callable[..., Any]:
    """Stands in for the response class `kind`, by its name: makes the SDK's own objects, and keeps their JSON."""
    told = state_of(reading).told

    def make(**part: Any) -> Any:
        told.append(part)
        return kind(**part)

    return update_wrapper(make, kind, assigned=("__module__", "__name__", "__qualname__"), updated=())


def said_by(reading: Reading, body: Any) -> Mapping[str, Any]:
    """The JSON of an answer or a chunk; each once, in the order in which they came."""
    told = state_of(reading).told
    return told.popleft() if told else members(body)


def read_end(reading: Reading, said: Mapping[str, Any]) -> None:
    """Model, usage, timing and error, as far as this answer (or chunk) says them."""
    if isinstance(model := said.get("model"), str) and model:
        reading.model = model
    given, made = count(said.get("prompt_eval_count")), count(said.get("eval_count"))
    if given is not None or made is not None:
        reading.usage = Usage(input=given, output=made, cache_read=count(said.get("prompt_eval_cached_count")))
    for name, short in _DURATIONS.items():
        if (nanoseconds := count(said.get(name))) is not None:
            reading.attributes[SERVER_TIMING + short] = nanoseconds / 1e9
    if isinstance(error := said.get("error"), str) and error:
        reading.error_type, reading.error_message = "error", error
