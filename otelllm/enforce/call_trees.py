"""One budget of attempts for a call tree: the same request, asked again by a layer above ours, is no new question.

A framework's retry loop, a decorator of the app's, a loop around both: each calls us anew with what has just failed,
and naive stacks make 12 to 45 requests out of one. A tree is what one trace holds; without a trace, or where its first
span is a framework's run, what one thread or task does one after the other. Only the same request counts as the same:
SDK, operation, and a hash of all arguments. Other questions below the same agent have budgets of their own, and so has
a question that was answered.

A call that succeeds costs nothing of all this but a look at an empty table.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson
from opentelemetry.trace import get_current_span

from ..lineage import root_of, untraced
from ..stages import Asked

__all__ = ["CallTrees", "Spent", "fingerprint", "twin_of"]

OF_TRACE_S = 600.0
"""How long a trace's failed request is remembered."""
MOST = 1024
_NO_QUESTION = frozenset({"timeout", "extra_headers", "request_options", "http_headers", "timeout_ms", "retries"})
"""Arguments that change how a request is sent, and not what it asks."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What a tree has used up of one request's attempts."""

    attempts: int
    error: Exception
    """A twin of what the provider gave last."""
    until: float


def fingerprint(asked: Asked) -> bytes:
    """What was asked, in 16 bytes: the same for the same request, whoever makes it."""
    question = {name: value for name, value in asked.kwargs.items() if name not in _NO_QUESTION}
    options = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY
    said = orjson.dumps([asked.provider.name, asked.surface.operation, question], _plain, options)
    return blake2b(said, digest_size=16).digest()


def _plain(thing: Any) -> Any:
    """Of what is no JSON: an SDK's own object by its fields, anything else by its type and text."""
    fields = getattr(thing, "__dict__", None)
    if isinstance(thing, bytes | bytearray):
        return bytes(thing).hex()
    if isinstance(fields, dict) and not isinstance(thing, type):
        return {"": type(thing).__qualname__, **{str(name): value for name, value in fields.items()}}
    return repr(thing)


def twin_of(error: Exception) -> Exception:
    """An exception of the same class that says the same, without the traceback, which would hold the app's frames."""
    kind = type(error)
    try:
        twin: Exception = kind.__new__(kind, *error.args)
        twin.args = error.args
        twin.__dict__.update(error.__dict__)
    except (AttributeError, TypeError):  # a class that makes its objects in a way of its own
        return error
    return twin


class CallTrees:
    """The requests that failed lately, by tree. Outlives a change of the policy; bounded in number and in time."""

    __slots__ = ("_clock", "_spent")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._spent: dict[tuple[Hashable, bytes], Spent] = {}

    def spent(self, asked: Asked) -> Spent | None:
        """What this tree has used up already of this request; None where it is a new one."""
        if not self._spent or not (trees := _trees()):
            return None
        question, now = fingerprint(asked), self._clock()
        found = [one for tree in trees if (one := self._spent.get((tree, question))) is not None and one.until > now]
        return max(found, key=lambda one: one.attempts, default=None)

    def failed(self, asked: Asked, attempts: int, error: Exception, untraced_s: float) -> None:
        """The request failed in this tree; `attempts` were made of it by now, those of earlier calls among them."""
        now, question, twin = self._clock(), fingerprint(asked), twin_of(error)
        for tree in _trees() or [untraced()]:
            key = (tree, question)
            self._spent.pop(key, None)
            if len(self._spent) >= MOST:
                self._drop(now)
            lasts_s = OF_TRACE_S if isinstance(tree, int) else untraced_s
            self._spent[key] = Spent(attempts, twin, now + lasts_s)

    def answered(self, asked: Asked) -> None:
        """The request was answered after all: asked once more, it is a new question."""
        question = fingerprint(asked)
        for tree in _trees():
            self._spent.pop((tree, question), None)

    def _drop(self, now: float) -> None:
        """What is over, and the oldest."""
        for key, one in list(self._spent.items()):
            if one.until <= now or len(self._spent) >= MOST:
                self._spent.pop(key, None)


def _trees() -> list[Hashable]:
    """The trees of what runs now: the trace; and the thread or task, where no span of the app's own is above."""
    context = get_current_span().get_span_context()
    found = [root_of() if context.is_valid else untraced(made=False)]
    return [*([context.trace_id] if context.is_valid else []), *(one for one in found if one is not None)]
