"""The response cache by hand: what is no longer true, and answers that turned out bad.

    otelllm.cache.invalidate("kb:42")              # whatever said depends_on=["kb:42@v7"], or any version of it
    otelllm.cache.expel("00f067aa0ba902b7")        # what the call with this span id stored, or was given

In force when they return, for every process that shares the place where answers are kept (`where` of `[cache.exact]`).
Both may wait for a disk or a server, a quarter of a second at most: from async code, `asyncio.to_thread`.
"""

from __future__ import annotations

from .enforce.cache import places
from .enforce.cache.kept import Kept
from .enforce.cache.store import Away

__all__ = ["Away", "expel", "invalidate"]


def invalidate(*names: str, where: str | None = None) -> None:
    """No stored answer that depends on one of `names` is given any more: "kb:42", or one version of it, "kb:42@v7".

    By default wherever this process keeps answers; `where`, as in the policy, is for a program that makes no calls
    itself. Raises Away where that can't be reached, for then old answers would still be given.
    """
    for kept in _places(where):
        for name in names:
            kept.invalidate(name)


def expel(span_id: str | int, *, where: str | None = None) -> bool:
    """Drop one answer: the one that the call with this span stored, or was given; whether there was one.

    `span_id` in hex, as on the span, or as OpenTelemetry's number. Raises Away, as `invalidate` does.
    """
    span = format(span_id, "016x") if isinstance(span_id, int) else span_id.strip().lower()
    return sum(kept.expel(span) for kept in _places(where)) > 0  # each of them is asked


def _places(where: str | None) -> list[Kept]:
    return places.in_use() if where is None else [places.opened(where)]
