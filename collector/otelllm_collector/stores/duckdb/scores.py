"""Each score once: which of those that come are there already.

From OpenTelemetry the same score is the one of the same target, name and time. Feedback over HTTP gets its time here,
so it is the same by its sender's id for it; without one, if it is the latest word of its user on that target, said
again within a day: an answer that got lost and a second click are one vote, up after down is another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import orjson

from otelllm import semconv

from ...rows import ScoreRow

__all__ = ["searched_from", "without_repeats"]

DAY_NS = 86_400_000_000_000


class _Known(NamedTuple):
    """The columns of `write/known_scores.sql`."""

    trace_id: bytes | None
    span_id: int | None
    response_id: str | None
    name: str | None
    time_ns: int
    value: float | None
    label: str | None
    explanation: str | None
    user_id: str | None
    feedback_id: str | None

    @property
    def key(self) -> tuple[object, ...]:
        return self[:5]

    @property
    def target(self) -> tuple[object, ...]:
        return (*self[:4], self.user_id)

    @property
    def word(self) -> tuple[object, ...]:
        return self.value, self.label, self.explanation


def searched_from(scores: Sequence[ScoreRow]) -> int:
    """The time (ns) from which stored scores may be the same as one of these."""
    return min(score.time_ns if score.feedback_id is None else max(score.time_ns - DAY_NS, 0) for score in scores)


def without_repeats(scores: Sequence[ScoreRow], stored: Iterable[tuple[Any, ...]]) -> list[ScoreRow]:
    """Those of the scores that are new; `stored` are the rows of `write/known_scores.sql`, oldest first."""
    keys: set[tuple[object, ...]] = set()
    ids: set[str] = set()
    latest: dict[tuple[object, ...], tuple[object, ...]] = {}

    def remember(known: _Known) -> None:
        keys.add(known.key)
        latest[known.target] = known.word
        if known.feedback_id:
            ids.add(known.feedback_id)

    for row in stored:
        remember(_Known(row[0].bytes if row[0] else None, *row[1:]))
    new = []
    for score in scores:
        known = _known(score)
        if score.feedback_id is None:
            is_there = known.key in keys
        elif score.feedback_id:
            is_there = score.feedback_id in ids
        else:
            is_there = latest.get(known.target) == known.word
        if not is_there:
            remember(known)
            new.append(score)
    return new


def _known(score: ScoreRow) -> _Known:
    user_id = orjson.loads(score.attributes).get(semconv.USER_ID)
    return _Known(
        score.trace_id, score.span_id, score.response_id, score.name, score.time_ns, score.value, score.label,
        score.explanation, user_id if isinstance(user_id, str) else None, score.feedback_id,
    )  # fmt: skip
