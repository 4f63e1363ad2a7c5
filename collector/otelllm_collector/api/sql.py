"""Read-only SQL for everyone who has a question that no route answers."""

from __future__ import annotations

import time

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..answers import answer
from ..asker import Asker
from ..operations import JSON, Answer, Body, Operation, read_json
from ..questions import BadQuestion
from .schemas import ref

__all__ = ["routes"]

ARROW = "application/vnd.apache.arrow.stream"
BODY_LIMIT = 1024 * 1024
ROWS = 10_000
ROWS_HEADER = "x-otelllm-rows"


def routes(asker: Asker) -> list[Route]:
    """Routes of this group."""

    async def sql(request: Request) -> Response:
        query, limit = await _read_question(request, asker.sql_row_limit)
        if ARROW in request.headers.get("accept", ""):
            stream, rows = await asker.ask(asker.store.sql_arrow, query, limit, asker.sql_timeout_s)
            return Response(stream, media_type=ARROW, headers={ROWS_HEADER: str(rows)})
        began = time.perf_counter()
        found = await asker.ask(asker.store.sql, query, limit, asker.sql_timeout_s)
        columns = [{"name": name, "type": kind} for name, kind in found.columns]
        elapsed_ms = (time.perf_counter() - began) * 1e3
        return answer(
            {"columns": columns, "rows": found.rows, "truncated": found.truncated, "elapsed_ms": round(elapsed_ms, 3)}
        )

    question = {
        "type": "object",
        "properties": {
            "sql": {"type": "string", "description": "One SELECT over spans, traces, messages, events, scores, …"},
            "limit": {"type": "integer", "minimum": 1, "maximum": asker.sql_row_limit, "default": ROWS},
        },
        "required": ["sql"],
        "example": {"sql": "select request_model, count(*) from spans group by 1"},
    }
    return [
        Operation(
            "/api/sql", sql, method="POST", tag="sql",
            about=f"A query of your own: one statement that only reads, for {asker.sql_timeout_s:g} s at most.",
            body=Body("The query.", {JSON: question}),
            answers={
                200: Answer(
                    "The rows; as Arrow where Accept names it.",
                    {JSON: ref("SqlAnswer"), ARROW: {}},
                    {ROWS_HEADER: "How many rows, as Arrow; as many as `limit` may not be all."},
                ),
            },
        )
    ]  # fmt: skip


async def _read_question(request: Request, most: int) -> tuple[str, int]:
    question = await read_json(request, BODY_LIMIT, '{"sql": "select …"}')
    query = question.get("sql")
    if not isinstance(query, str) or not query.strip():
        raise BadQuestion('there is no query; send {"sql": "select …"}')
    limit = question.get("limit", min(ROWS, most))
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= most:
        raise BadQuestion(f"limit {limit!r} is not a whole number from 1 to {most}")
    return query, limit
