"""`otelllm policy simulate`: what a policy file would have done with the calls that the collector has."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _options
from ._client import ask
from ._files import whole
from ._moments import nanoseconds, written
from ._policies import loaded
from ._table import render

if TYPE_CHECKING:
    import argparse

    from ..simulation.replay import Replayed
    from ..simulation.report import Report

__all__ = ["add", "run"]

_COLUMNS = ("stage", "rule", "outcome", "calls", "scopes", "waited_s", "saved_usd")


def add(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("file", metavar="FILE", nargs="?", default="otelllm.toml", help="otelllm.toml where not given")
    parser.add_argument("--since", default="7d", metavar="WHEN", help="calls from then on: 2026-11-24, 7d (ago); 7d")
    parser.add_argument("--until", default="0m", metavar="WHEN", help="calls that began before; now")
    parser.add_argument("--calls", metavar="FILE", help="write each call's decisions there, a line of JSON each")
    _options.url(parser)
    _options.format_(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Replay, and print what it comes to."""
    from ..simulation.past_calls import past_calls  # noqa: PLC0415  the rules' code is wanted by this command only
    from ..simulation.replay import replay  # noqa: PLC0415
    from ..simulation.report import summed  # noqa: PLC0415

    policy = loaded(args.file)
    since, until = nanoseconds("--since", args.since), nanoseconds("--until", args.until)
    began = time.monotonic()
    replayed = replay(policy, past_calls(lambda sql: _rows(args.url, sql), since, until))
    caches = policy.cache is not None
    if args.calls:
        with whole(Path(args.calls)) as file:
            report = summed(_noted(replayed, file), caches=caches)
    else:
        report = summed(replayed, caches=caches)
    rows = [[_cell(row, name) for name in _COLUMNS] for row in report.rows]
    if args.format == "table":
        print(f"{args.file} against {report.calls:,} calls, {written(since)} to {written(until)}, ${report.usd:,.2f}")
        print("\n".join(_sentences(report)))
        print(f"({time.monotonic() - began:.1f} s)\n" if report.rows else "No rule would have decided on any of them.")
    if report.rows or args.format != "table":
        print(render(_COLUMNS, rows, args.format))
    return 0


def _sentences(report: Report) -> Iterator[str]:
    yield (
        f"would have blocked {report.blocked:,}, answered {report.cached:,} out of the cache, queued {report.queued:,}"
        f" ({report.waited_s:,.1f} s in all), routed {report.routed:,}, shortened {report.limited:,},"
        f" warned of {report.warned:,}"
    )
    yield f"and saved ${report.saved_usd:,.2f}"
    if report.unpriced:
        yield f"{report.unpriced:,} calls have no known cost; what they would have saved is not in the sum"
    if report.keyless:
        yield f"{report.keyless:,} calls do not tell what they asked: put the cache in shadow mode for a while first"


def _cell(row: Any, name: str) -> Any:
    value = getattr(row, name)
    if name == "scopes":
        return len(value)
    return round(value, 6) if isinstance(value, float) else value


def _rows(url: str, sql: str) -> list[dict[str, Any]]:
    answer = ask(url, "/api/sql", {"sql": sql, "limit": 100_000})
    names = [column["name"] for column in answer["columns"]]
    return [dict(zip(names, row, strict=True)) for row in answer["rows"]]


def _noted(replayed: Iterable[Replayed], file: Any) -> Iterator[Replayed]:
    """Each of them, once it is written."""
    for one in replayed:
        told = {
            "trace_id": one.past.trace_id,
            "span_id": one.past.span_id,
            "decisions": [
                {name: getattr(decision, name) for name in ("stage", "rule", "outcome", "scope", "reason")}
                for decision in one.decisions
            ],
        }
        file.write(json.dumps(told, ensure_ascii=False).encode() + b"\n")
        yield one
