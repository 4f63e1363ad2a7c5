"""Calls that wait for room: first come, first served within a priority; a low one gets a share, however busy it is.

The buckets are shared by all processes; the queue is this process's own. Each full bucket has a line. Only the call
that is next in its line asks the counters again, so a crowd costs no more than one. A call that comes while others wait
that go before it joins the line, and does not take what they wait for.
"""

from __future__ import annotations

import threading
from bisect import insort
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count
from os import getpid

from ..gates import Gate
from ..state.spec import Bucket
from . import values
from .values import Wrong

__all__ = ["Line", "Queue", "QueueRules", "Ticket", "read"]

LEAST_SHARE = 0.05
WORTH_LEARNING_S = 0.5
STEP = 0.1
LEAST, MOST = 0.1, 10.0
LINES_KEPT = 1024


@dataclass(frozen=True, slots=True)
class QueueRules:
    """[queue]: the priorities from the highest on, and what each but the first gets at least."""

    priorities: tuple[str, ...] = ("interactive", "default", "batch")
    least_share: Mapping[str, float] = field(default_factory=dict)

    def rank(self, priority: str | None) -> int:
        """0 for the highest; a priority that nobody named counts as "default"."""
        if priority in self.priorities:
            return self.priorities.index(priority)
        return self.priorities.index("default") if "default" in self.priorities else len(self.priorities) // 2

    def share(self, rank: int) -> float:
        """What a rank gets at least of what passes while it waits."""
        return self.least_share.get(self.priorities[rank], LEAST_SHARE if rank else 0.0)

    def is_low(self, priority: str | None) -> bool:
        """Whether it keeps out of the way: below the one that a call has which says nothing."""
        return self.rank(priority) > self.rank(None)


def read(value: object) -> QueueRules:
    """[queue]."""
    table = values.table(value, ("queue",), ("priorities", "least_share"))
    names = QueueRules().priorities
    if "priorities" in table:
        names = values.texts(table["priorities"], ("queue", "priorities"))
        if len(set(names)) < len(names):
            raise Wrong(("queue", "priorities"), f"queue.priorities = {list(names)!r} names one twice; name each once")
    shares = values.table(table.get("least_share", {}), ("queue", "least_share"), names)
    read_ = {name: values.share(one, ("queue", "least_share", name)) for name, one in shares.items()}
    if sum(read_.values()) > 0.5:
        raise Wrong(("queue", "least_share"), "queue.least_share gives away more than half; lower the shares")
    return QueueRules(names, read_)


@dataclass(eq=False, slots=True)
class Ticket:
    """One waiting call. What it wants of the line's bucket it says when it joins."""

    rank: int
    number: int
    gate: Gate
    amount: float = 0.0
    line: Line | None = None
    opens_at: float = 0.0
    """When its claim fits, as the counters told it last; on the queue's clock."""
    came_at: float = 0.0
    expected_s: float | None = None
    """The wait that was reckoned when it came, before experience was asked."""

    def __lt__(self, other: Ticket) -> bool:
        return self.number < other.number


class Line:
    """Who waits for one bucket."""

    __slots__ = ("_waiting", "credit", "key")

    def __init__(self, key: str, ranks: int) -> None:
        self.key = key
        self._waiting: list[list[Ticket]] = [[] for _ in range(ranks)]
        self.credit = [0.0] * ranks
        """What each rank that waits has to get of what has passed it by."""

    def __bool__(self) -> bool:
        return any(self._waiting)

    def add(self, ticket: Ticket) -> None:
        """By when it came, not by when it joined."""
        insort(self._waiting[ticket.rank], ticket)

    def remove(self, ticket: Ticket) -> None:
        """It waits no more."""
        waiting = self._waiting[ticket.rank]
        waiting.remove(ticket)
        if not waiting:
            self.credit[ticket.rank] = 0.0

    def next(self) -> Ticket | None:
        """Who goes first: the highest rank, unless a lower one has waited for its share long enough."""
        first: Ticket | None = None
        for waiting in self._waiting:
            if waiting and (first is None or self.is_due(waiting[0])):
                if first is not None:
                    return waiting[0]
                first = waiting[0]
        return first

    def is_due(self, ticket: Ticket) -> bool:
        """Whether a lower rank goes first by its share."""
        return self.credit[ticket.rank] >= ticket.amount > 0

    def goes_before(self, rank: int) -> bool:
        """Whether somebody waits whom a newcomer of `rank` must let go first."""
        if any(self._waiting[: rank + 1]):
            return True
        first = self.next()
        return first is not None and self.is_due(first)

    def ahead_of(self, ticket: Ticket) -> float:
        """What those before `ticket` want of the bucket, as far as they are known now."""
        before = sum(one.amount for waiting in self._waiting[: ticket.rank] for one in waiting)
        return before + sum(one.amount for one in self._waiting[ticket.rank] if one.number < ticket.number)

    def passed(self, rank: int, amount: float, rules: QueueRules) -> None:
        """A call of `rank` has got `amount`: those who wait below have their share of it to come."""
        for other, waiting in enumerate(self._waiting):
            if waiting and other != rank:
                self.credit[other] += amount * rules.share(other)
        if rank:
            self.credit[rank] = max(self.credit[rank] - amount, 0.0)


def _make_room(known: dict[str, float]) -> None:
    if len(known) >= LINES_KEPT:
        del known[next(iter(known))]


class Queue:
    """The lines of this process. Every method is short, and may be called from any thread."""

    def __init__(self, rules: QueueRules) -> None:
        self.rules = rules
        self._begin()

    def _begin(self) -> None:
        self._pid = getpid()
        self._lock = threading.RLock()  # entered again by a finaliser that settles a call
        self._lines: dict[str, Line] = {}
        self._numbers = count()
        self._held_s: dict[str, float] = {}
        """How long calls keep the slots of a bucket, in the mean."""
        self._pace: dict[str, float] = {}
        """Waits as they were, over waits as they were reckoned: of what is reserved some comes back, and other
        processes take of the same bucket.
        """

    def ticket(self, priority: str | None, now: float) -> Ticket:
        """For a call that has just come."""
        self._stay()
        return Ticket(self.rules.rank(priority), next(self._numbers), Gate(), came_at=now)

    @property
    def is_empty(self) -> bool:
        """Whether nobody waits for anything."""
        return not self._lines

    def line_before(self, wanted: Iterable[str], rank: int) -> str | None:
        """The bucket for which somebody waits whom a newcomer must let go first; None where it may try at once."""
        self._stay()
        if not self._lines:
            return None
        with self._lock:
            for key in wanted:
                line = self._lines.get(key)
                if line is not None and line.goes_before(rank):
                    return key
        return None

    def join(self, ticket: Ticket, key: str, amount: float) -> None:
        """Wait in the line of `key`; whoever waited in another leaves that, and keeps its place by when it came."""
        with self._lock:
            if ticket.line is not None:
                if ticket.line.key == key:
                    ticket.amount = amount
                    return
                self.leave(ticket)
            line = self._lines.get(key)
            if line is None:
                line = self._lines[key] = Line(key, len(self.rules.priorities))
            ticket.amount, ticket.line = amount, line
            line.add(ticket)

    def leave(self, ticket: Ticket) -> None:
        """Wait no more: served, refused or cancelled. Who is next is told."""
        with self._lock:
            line, ticket.line = ticket.line, None
            if line is None:
                return
            line.remove(ticket)
            if not line:
                self._lines.pop(line.key, None)
                return
            first = line.next()
        if first is not None:
            first.gate.open()

    def is_next(self, ticket: Ticket) -> bool:
        """Whether it is the one to ask the counters."""
        line = ticket.line
        if line is None:
            return True
        with self._lock:
            return line.next() is ticket

    def is_due(self, ticket: Ticket) -> bool:
        """Whether it goes first by its share, so that it need not keep out of the way of higher ones."""
        line = ticket.line
        return line is not None and ticket.rank > 0 and line.is_due(ticket)

    def wait_of(self, ticket: Ticket, per_s: float, now: float) -> float:
        """How long it will wait from now on, as far as can be seen: what is to come back for those before it and for
        itself, at the pace that waits in this line have shown.
        """
        line = ticket.line
        if line is None:
            return 0.0
        with self._lock:
            first = line.next()
            ahead = line.ahead_of(ticket)
        wait_s = max((first or ticket).opens_at - now, 0.0)
        if first is not None and first is not ticket and per_s:
            # The one in front has its room at `opens_at`; what the others want comes back after that.
            wait_s += (max(ahead - first.amount, 0.0) + ticket.amount) / per_s
        if ticket.expected_s is None:
            ticket.expected_s = wait_s
        return wait_s * self._pace.get(line.key, 1.0)

    def held(self, key: str, seconds: float) -> None:
        """A call has kept a slot for so long."""
        before = self._held_s.get(key)
        if before is None:
            _make_room(self._held_s)
            before = seconds
        self._held_s[key] = before + STEP * (seconds - before)

    def comes_back(self, bucket: Bucket) -> float:
        """How much of a bucket comes back each second; of slots, as calls have kept them; 0 where nobody knows."""
        if bucket.kind != "slots":
            return bucket.per_s
        mean_s = self._held_s.get(bucket.key, 0.0)
        return bucket.capacity / mean_s if mean_s else 0.0

    def _stay(self) -> None:
        """In a forked child nobody waits: its parent's callers are not here, and one may have held the lock."""
        if self._pid != getpid():
            self._begin()

    def got(self, ticket: Ticket, now: float) -> None:
        """It has been served: how long that took is remembered."""
        line = ticket.line
        if line is None or not ticket.expected_s or ticket.expected_s < WORTH_LEARNING_S:
            return
        seen = min(max((now - ticket.came_at) / ticket.expected_s, LEAST), MOST)
        if line.key not in self._pace:
            _make_room(self._pace)
        before = self._pace.get(line.key, 1.0)
        self._pace[line.key] = before + STEP * (seen - before)

    def served(self, rank: int, wanted: Mapping[str, float]) -> None:
        """A call has got what it wanted: shares of those who wait below it grow."""
        self._stay()
        if not self._lines:
            return
        with self._lock:
            for key, amount in wanted.items():
                line = self._lines.get(key)
                if line is not None:
                    line.passed(rank, amount, self.rules)

    def poke(self, keys: Iterable[str]) -> None:
        """Something was given back: whoever is next may try at once."""
        self._stay()
        if not self._lines:
            return
        opened: list[Ticket] = []
        with self._lock:
            for key in keys:
                line = self._lines.get(key)
                if line is not None and (first := line.next()) is not None:
                    opened.append(first)
        for ticket in opened:
            ticket.gate.open()
