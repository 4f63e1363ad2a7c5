"""Spans of days ago in a store that forgets them."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from collector.exports import request, span
from collector.upkeep import driven

from otelllm_collector.decode import decode
from otelllm_collector.questions import SpanFilter

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from otelllm_collector.stores.duckdb import DuckDBStore

__all__ = ["ALL", "CHAT", "DAY", "MB", "bodies", "chat", "keep", "messages", "of_random_text", "on_disk", "rows", "run"]

DAY = 86_400_000_000_000
MB = 1024 * 1024
ALL = SpanFilter()
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-5", "gen_ai.usage.input_tokens": 7}


def messages(*texts: str) -> str:
    return json.dumps(
        [{"role": "user", "parts": [{"type": "text", "content": text}]} for text in texts], separators=(",", ":")
    )


def chat(days: float, *texts: str, **more: Any) -> Span:
    """A call that began so many days ago."""
    begin = time.time_ns() - int(days * DAY) - 10**9
    return span(CHAT | {"gen_ai.input.messages": messages(*texts)} | more, start_time_unix_nano=begin)


def keep(store: DuckDBStore, *spans: Span, service: str = "shop", project: str | None = None) -> None:
    body = request(*spans, service=service).SerializeToString()
    store.write([decode("traces", body, is_json=False, now_ns=spans[0].start_time_unix_nano, project=project)])


def run(store: DuckDBStore) -> Any:
    return driven(store, store.retain())


def rows(store: DuckDBStore, query: str) -> list[Any]:
    return [row[0] if len(row) == 1 else row for row in store.sql(query, 1000, 5).rows]


def bodies(store: DuckDBStore) -> set[str]:
    found = (json.loads(body) for body in rows(store, "select body from messages"))
    return {part["content"] for body in found for part in body["parts"]}


def on_disk(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*.duckdb*") if file.is_file())


def of_random_text(days: float, number: int) -> Iterable[Span]:
    """Calls whose text no compression makes smaller; so many seconds apart."""
    for second in range(number):
        yield chat(days - second / 86400, *(random.randbytes(400).hex() for _ in range(2)))
