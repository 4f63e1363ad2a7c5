"""The one place that swallows: our own reading and writing never breaks the app."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["failures", "renew_lock", "safely", "strict", "swallow"]

log = logging.getLogger(__name__)

failures: Counter[str] = Counter()
"""How often each cause was swallowed in this process; `otelllm doctor` and the tests read it."""

_lock = threading.Lock()
_strict = False


def renew_lock() -> None:
    """In a forked child: another thread of the parent may have held the lock."""
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()


def strict(on: bool) -> bool:
    """Re-raise instead of swallowing (tests do this); returns what was set before."""
    global _strict
    before, _strict = _strict, on
    return before


class safely:  # noqa: N801  reads as a word: `with safely("folding a chunk"):`
    """Swallow an `Exception` of ours inside the block: logged once per cause, counted, re-raised under tests.

    MUST never surround the provider's call, its iterator or a ``yield``: what the provider raises is the app's.
    `otelllm.Blocked` passes, for a refusal is not a bug; so does every `BaseException` that is no `Exception`.
    """

    __slots__ = ("doing",)

    def __init__(self, doing: str) -> None:
        self.doing = doing

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is None:
            return False
        return swallow(self.doing, error)


def swallow(doing: str, error: BaseException) -> bool:
    """Whether `error` is ours to hide; if so it is counted, and logged where its cause is new."""
    from .errors import Blocked  # noqa: PLC0415  only on a failure

    if _strict or isinstance(error, Blocked) or not isinstance(error, Exception):
        return False
    cause = f"{doing}: {type(error).__qualname__}"
    with _lock:
        failures[cause] += 1
        first = failures[cause] == 1
    if first:
        # The error's text may hold a prompt or a key: its type and place go to the log, its text does not.
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}" if place is not None else "?"
        log.warning(
            "otelllm failed while %s (%s at %s). Your app goes on, with less telemetry; please report it.",
            doing, type(error).__qualname__, where,
        )  # fmt: skip
    return True
