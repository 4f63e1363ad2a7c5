"""Read-only SQL for everyone who has a question that no route answers."""

from __future__ import annotations

import time

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..answers import answer, asking
from ..asker import Asker
from ..questions import BadQuestion

__all__ = ["routes"]

ARROW = "application/vnd.apache.arrow.stream"
BODY_LIMIT = 1024 * 1024
ROWS = 10_000


def routes(asker: Asker) -> list[Route]:
    """Routes of this group."""

    async def sql(request: Request) -> Response:
        query, limit = await _read_question(request, asker.sql_row_limit)
        if ARROW in request.headers.get("accept", ""):
            stream = await asker.ask(asker.store.sql_arrow, query, limit, asker.sql_timeout_s)
            return Response(stream, media_type=ARROW)
        began = time.perf_counter()
        found = await asker.ask(asker.store.sql, query, limit, asker.sql_timeout_s)
        columns = [{"name": name, "type": kind} for name, kind in found.columns]
        elapsed_ms = (time.perf_counter() - began) * 1e3
        return answer(
            {"columns": columns, "rows": found.rows, "truncated": found.truncated, "elapsed_ms": round(elapsed_ms, 3)}
        )

    return [Route("/api/sql", asking(sql), methods=["POST"])]


async def _read_question(request: Request, most: int) -> tuple[str, int]:
    # A page in a browser may send text/plain across origins unasked, but not JSON.
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise BadQuestion(f'Content-Type {media_type!r} is not taken; send application/json: {{"sql": "select …"}}')
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > BODY_LIMIT:
            raise BadQuestion(f"the query is longer than {BODY_LIMIT} bytes")
    try:
        question = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadQuestion(f'the body is not JSON ({error}); send {{"sql": "select …"}}') from error
    query = question.get("sql") if isinstance(question, dict) else None
    if not isinstance(query, str) or not query.strip():
        raise BadQuestion('there is no query; send {"sql": "select …"}')
    limit = question.get("limit", min(ROWS, most))
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= most:
        raise BadQuestion(f"limit {limit!r} is not a whole number from 1 to {most}")
    return query, limit
