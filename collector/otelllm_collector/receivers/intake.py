"""What the receivers share: a body's way from bytes to disk, and the count of bytes that are on it.

Errors are `Refused`, of a kind that each receiver has a code of its own for. What `keep` returns is durable.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Literal, NamedTuple

from ..columns import Columns
from ..commits import Commits, Journaled, Rejected
from ..decode import Decoded, Signal, Undecodable
from ..decode.inflate import TooLarge, inflate
from ..decoding import decode_packed
from ..journal import Journal, JournalFailed
from ..questions import Busy
from ..rows import Batch, TooMany
from ..telemetry import Telemetry

if TYPE_CHECKING:
    from types import TracebackType

ROOM_WITHIN_S = 10.0
"""So long an answer waits for a store that is behind; then its sender is asked to come again."""

__all__ = ["Arrival", "Hold", "Intake", "Refused", "Why", "refusals"]

Why = Literal["bad", "too_large", "slow", "full", "busy"]
"""Nobody can keep it; too big; it did not come in time; too many bytes in hand; the store can't write now."""


class Refused(Exception):  # noqa: N818  a refusal is no error of ours
    """A request of which nothing is kept; the text is for its sender."""

    def __init__(self, why: Why, message: str) -> None:
        super().__init__(message)
        self.why = why


class Arrival(NamedTuple):
    """One body and how it is written."""

    signal: Signal
    body: bytes
    encoding: str = "identity"
    is_json: bool = False
    project: str | None = None
    """Of the key that it came with."""


class Hold:
    """The bytes that one request has in hand: counted as they come, given back when the block ends."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self.size = 0

    def __enter__(self) -> Hold:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._intake.in_flight -= self.size

    def add(self, size: int) -> None:
        """Count bytes that are accepted and not yet committed; senders wait with them, not we.

        A request that is alone is taken however big it is.
        """
        self._intake.check(size, is_alone=self._intake.in_flight == self.size)
        self._intake.in_flight += size
        self.size += size


class Intake:
    """Bodies to durable batches, for all receivers together."""

    def __init__(
        self,
        commits: Commits,
        decoding: Executor,
        *,
        in_flight_limit: int,
        telemetry: Telemetry | None = None,
        journal: Journal | None = None,
        now_ns: Callable[[], int] = time.time_ns,
        span_columns: Columns | None = None,
    ) -> None:
        """Without a journal an answer waits until the store has committed. Spans are packed into such columns, the
        store's, where they are given.
        """
        self.telemetry = telemetry or Telemetry()
        self.commits, self._decoding, self._journal, self._columns = commits, decoding, journal, span_columns
        self._in_flight_limit, self._now_ns = in_flight_limit, now_ns
        self.in_flight = 0
        """Bytes of all receivers, as they came and inflated."""

    def hold(self) -> Hold:
        """A request's own count, for a `with` block around all that is done with it."""
        return Hold(self)

    def check(self, size: int = 1, *, is_alone: bool = False) -> None:
        """`Refused` where there is no room for so many bytes more."""
        if not is_alone and self.in_flight + size > self._in_flight_limit:
            raise Refused("full", "the collector has more in hand than it can write; send this again in a second")

    async def keep(self, arrival: Arrival, limit: int, hold: Hold) -> Batch:
        """The batch, durable, with what was not kept of it counted; `limit` is of the inflated body, in bytes."""
        signal, body, encoding, is_json, project = arrival
        loop = asyncio.get_running_loop()
        try:
            if encoding != "identity":
                body = await loop.run_in_executor(self._decoding, inflate, body, encoding, limit)
                hold.add(len(body))
            now_ns = self._now_ns()
            decoded = await loop.run_in_executor(
                self._decoding,
                lambda: decode_packed(signal, body, self._columns, is_json=is_json, now_ns=now_ns, project=project),
            )
            if decoded.batch.size:
                await self._keep(signal, decoded, now_ns)
        except (TooLarge, TooMany) as error:
            raise Refused("too_large", str(error)) from error
        except (Undecodable, Rejected) as error:
            raise Refused("bad", str(error)) from error
        except (Busy, JournalFailed) as error:
            raise Refused("busy", str(error)) from error
        return decoded.batch

    async def _keep(self, signal: Signal, decoded: Decoded, now_ns: int) -> None:
        """In the journal, from which the store and the exporters have it."""
        batch, body = decoded
        if self._journal is None:
            await asyncio.wrap_future(self.commits.submit(batch))
            return
        await self._room()

        def deliver(number: int) -> None:
            self.commits.accept(batch, Journaled(number, batch.size, len(body)))

        durable = self._journal.append(
            signal, body, batch.size, now_ns, project=batch.project, deliver=deliver
        )  # fmt: skip
        await asyncio.wrap_future(durable)

    async def _room(self) -> None:
        """Wait for a store that is behind: senders then come as fast as it writes."""
        try:
            async with asyncio.timeout(ROOM_WITHIN_S):
                while (room := self.commits.room()) is not None:
                    await asyncio.wrap_future(room)
        except TimeoutError as error:
            raise Busy("the store is behind with what was accepted; send this again in a second") from error


def refusals(batch: Batch) -> tuple[int, str]:
    """How many of a batch's records are not kept, and why, as `partial_success` says it."""
    return sum(batch.refused.values()), "; ".join(
        f"{number} x {reason}" for reason, number in sorted(batch.refused.items())
    )
