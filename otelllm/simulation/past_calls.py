"""Spans of the collector as calls again, as far as rules look at them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .. import semconv
from ..call import Call, Cost, Request, Scope, Usage

__all__ = ["PastCall", "past_calls"]

Ask = Callable[[str], list[dict[str, Any]]]
"""Rows of a SELECT, by column."""

PAGE = 10_000
_COLUMNS = (
    "trace_id", "span_id", "start_ns", "end_ns", "operation", "provider", "request_model", "response_model",
    "input_tokens", "output_tokens", "cache_read_tokens", "cost_usd", "user_id", "session_id", "conversation_id",
    "feature", "priority", "prompt_name", "prompt_version", "error_type", "verdict", "cache_outcome", "finish_reason",
    "stream_end", "attributes", "normalised",
)  # fmt: skip
_MODEL_CALLS = (semconv.CHAT, semconv.GENERATE_CONTENT, semconv.TEXT_COMPLETION, semconv.EMBEDDINGS, semconv.RERANK)


@dataclass(slots=True)
class PastCall:
    """One call that was made: the record that rules read, and what came of it."""

    call: Call
    trace_id: str
    span_id: str
    start_ns: int
    end_ns: int
    expected: tuple[float, float] | None
    """Tokens that limits and budgets took it for then; None where nobody counted."""
    cache_key: str | None
    """Equal for equal requests, where a response cache was on or in shadow."""
    is_blocked: bool
    """A rule refused or answered it: nothing was sent."""

    def finish(self) -> None:
        """Let the record say what the call came to: at its end, and not before."""
        self.call.reading.usage, self.call.cost = self._usage, self._cost

    _usage: Usage | None = None
    _cost: Cost | None = None

    @property
    def usd(self) -> float:
        """What it cost; 0 where nobody knows."""
        return (self._cost.usd or 0.0) if self._cost is not None else 0.0

    @property
    def usage(self) -> Usage | None:
        """What it used."""
        return self._usage


def past_calls(ask: Ask, start_ns: int, end_ns: int) -> Iterator[PastCall]:
    """The model calls that began in this time, in the order of their starts."""
    operations = ", ".join(f"'{name}'" for name in _MODEL_CALLS)
    after = (start_ns, "")
    while True:
        rows = ask(
            f"select {', '.join(_COLUMNS)} from spans"  # noqa: S608  numbers, and ids that the collector gave
            f" where operation in ({operations}) and counted and start_ns < {end_ns}"
            f" and (start_ns > {after[0]} or (start_ns = {after[0]} and span_id > '{after[1]}'))"
            f" order by start_ns, span_id limit {PAGE}"
        )
        for row in rows:
            yield _read(row)
        if len(rows) < PAGE:
            return
        after = (int(rows[-1]["start_ns"]), str(rows[-1]["span_id"]))


def _read(row: Mapping[str, Any]) -> PastCall:
    told = {**_decoded(row["normalised"]), **_decoded(row["attributes"])}
    tags = {name.removeprefix(semconv.TAG): str(told[name]) for name in told if name.startswith(semconv.TAG)}
    attributes = {
        name: told[name]
        for name in (semconv.REQUEST_MAX_TOKENS, semconv.REQUEST_TEMPERATURE, semconv.REQUEST_CHOICE_COUNT)
        if name in told
    }
    request = Request(
        model=told.get(semconv.ROUTE_FROM) or row["request_model"],
        stream=bool(row["stream_end"] or told.get(semconv.REQUEST_STREAM)),
        attributes=attributes,
        tier=told.get(semconv.TIER),
        user=row["user_id"],
    )
    scope = Scope(
        user=row["user_id"], session=row["session_id"] or row["conversation_id"], feature=row["feature"],
        priority=row["priority"], prompt_name=row["prompt_name"], prompt_version=row["prompt_version"], tags=tags,
    )  # fmt: skip
    call = Call(row["provider"] or "", row["operation"], request, scope, key=told.get(semconv.KEY))
    call.reading.model = row["response_model"]
    call.reading.error_type = row["error_type"]
    past = PastCall(
        call, str(row["trace_id"]), str(row["span_id"]), int(row["start_ns"]), int(row["end_ns"]), _expected(told),
        told.get(semconv.CACHE_KEY), row["verdict"] == "block" or row["cache_outcome"] == "hit",
    )  # fmt: skip
    if row["input_tokens"] is not None or row["output_tokens"] is not None:
        past._usage = Usage(row["input_tokens"], row["output_tokens"], cache_read=row["cache_read_tokens"])
    if row["cost_usd"] is not None:
        past._cost = Cost("exact", float(row["cost_usd"]))
    return past


def _decoded(value: Any) -> dict[str, Any]:
    found = json.loads(value) if isinstance(value, str) and value else value
    return found if isinstance(found, dict) else {}


def _expected(told: Mapping[str, Any]) -> tuple[float, float] | None:
    pair = (told.get(semconv.EXPECTED_INPUT), told.get(semconv.EXPECTED_OUTPUT))
    return (float(pair[0]), float(pair[1])) if pair[0] is not None and pair[1] is not None else None
