"""One call's answer on its way into the cache."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic, time
from typing import Any

from ...call import CacheOutcome, Call
from ...recorded import Recorded, packed
from ...stages import Asked
from .answers import is_refusal, unfit
from .flights import Flight
from .kept import Kept
from .store import Away, Found

__all__ = ["Tape"]

IDLE_S = 0.5
"""An app that asks for no more of its stream for so long is not waited for by others."""


class Tape:
    """A `call.Tape`: keeps the answer once its call has ended well, and lets go of those who wait for it."""

    takes_pieces = False
    awaits = True

    def __init__(
        self, kept: Kept, asked: Asked, key: bytes, tags: Sequence[str], found: Found, ttl_s: float,
        flight: Flight | None,
    ) -> None:  # fmt: skip
        self.key = key
        self._kept = kept
        self._asked = asked
        self._tags = tags
        self._found = found
        self._ttl_s = ttl_s
        self._flight = flight
        self._received: Any = None
        self._recorded: Recorded | None = None
        self._pieces: list[bytes] = []
        self._size = 0
        self._moved = monotonic()
        if flight is not None:
            flight.is_idle = self._is_idle

    def received(self, received: Any) -> None:
        """A whole answer is taken once the call has ended, which is before the app gets it."""
        if received.kind == "whole":
            self._received = received
            return
        asked = self._asked
        self._recorded = asked.provider.record(asked.instance, asked.surface, received)
        self.takes_pieces = self._recorded is not None
        self._pieces, self._size = [], 0  # of an attempt before, whose stream failed at once
        if self._recorded is None:
            self._land(alone=True)  # nobody needs to wait for what can't be shared
        self.awaits, self._moved = False, monotonic()

    def piece(self, piece: bytes) -> None:
        """The next bytes of a stream; one that grows too large to be kept is not held any longer."""
        self._pieces.append(piece)
        self._size += len(piece)
        self.awaits, self._moved = False, monotonic()
        if self._size > self._kept.store.max_bytes // 8:
            self.takes_pieces, self._recorded, self._pieces = False, None, []

    def _is_idle(self) -> bool:
        return not self.awaits and monotonic() - self._moved > IDLE_S

    def let_go(self) -> None:
        """The call has turned to another target: who waited for this one asks by itself."""
        self._recorded = self._received = None
        self._land(alone=True)

    def ended(self, call: Call) -> None:
        """The call's end: its answer is kept, or why not is known."""
        if call.tape is not self:
            return
        call.tape = None
        is_kept = False
        try:
            is_kept = self._keep(call)
        finally:
            has_failed = call.error is not None or call.ending not in {None, "complete"}
            self._land(alone=not is_kept and not has_failed)

    def _keep(self, call: Call) -> bool:
        received, self._received = self._received, None
        if call.cache is None or unfit(call):
            return False
        if received is not None:
            asked = self._asked
            recorded = asked.provider.record(asked.instance, asked.surface, received)
        else:
            recorded = self._joined()
        if recorded is None or is_refusal(recorded.body):
            return False
        timing = call.timing
        span = span_id(call)
        recorded = recorded._replace(
            usd=call.cost.usd if call.cost is not None else None,
            seconds=((timing.ended or timing.sent) - timing.sent) / 1e9,
            at=time(),
            span=span,
        )
        try:
            self._kept.put(self.key, packed(recorded), self._found, self._tags, ttl_s=self._ttl_s, span=span)
        except Away:
            return False
        call.cache = CacheOutcome("stored", key=call.cache.key)
        return True

    def _joined(self) -> Recorded | None:
        recorded, pieces = self._recorded, self._pieces
        self._recorded, self._pieces = None, []
        if recorded is None:
            return None
        cuts, end = [], 0
        for piece in pieces:
            end += len(piece)
            cuts.append(end)
        return recorded._replace(body=b"".join(pieces), cuts=tuple(cuts[:-1]))

    def _land(self, *, alone: bool) -> None:
        flight, self._flight = self._flight, None
        if flight is not None:
            self._kept.flights.land(self.key, self._asked.method.asynchronous, flight, alone=alone)


def span_id(call: Call) -> str:
    """Of the call's span, in hex; empty where it has none."""
    context = call.span.get_span_context() if call.span is not None else None
    return format(context.span_id, "016x") if context is not None and context.is_valid else ""
