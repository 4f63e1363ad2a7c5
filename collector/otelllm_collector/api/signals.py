"""Metrics and logs."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .. import arguments
from ..answers import answer, asking
from ..asker import Asker

__all__ = ["routes"]


def routes(asker: Asker) -> list[Route]:
    """Routes of this group."""

    async def metrics(request: Request) -> Response:
        given = request.query_params
        arguments.only(given, "limit")
        start, end = arguments.integer(given, "start", None), arguments.integer(given, "end", None)
        if not (name := given.get("name")):
            return answer({"names": await asker.ask(asker.store.metric_names, start, end)})
        limit = arguments.integer(given, "limit", 10_000, least=1, most=100_000) or 10_000
        return answer({"metrics": await asker.ask(asker.store.metrics, name, start, end, limit)})

    async def logs(request: Request) -> Response:
        given = request.query_params
        arguments.only(given, "limit", "cursor")
        wanted = arguments.page(given, default=100, most=5000, id_digits=None)
        found = await asker.ask(asker.store.logs, arguments.span_filter(given), wanted)
        records = found[: wanted.limit]
        following = None
        if len(found) > wanted.limit:
            following = arguments.key_text(records[-1]["time_ns"], f"{int(str(records[-1]['row_id'])):x}")
        for record in records:
            del record["row_id"]
        return answer({"logs": records, "next": following})

    return [Route("/api/metrics", asking(metrics)), Route("/api/logs", asking(logs))]
