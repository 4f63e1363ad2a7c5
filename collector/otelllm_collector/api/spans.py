"""Spans: the list."""

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

    async def listed(request: Request) -> Response:
        arguments.only(request.query_params, "limit", "cursor")
        wanted = arguments.page(request.query_params, default=100, most=5000, id_digits=48)
        found = await asker.ask(asker.store.spans, arguments.span_filter(request.query_params), wanted)
        records = found[: wanted.limit]
        following = None
        if len(found) > wanted.limit:
            last = records[-1]
            following = arguments.key_text(last["start_ns"], f"{last['trace_id']}{last['span_id']}")
        return answer({"spans": records, "next": following})

    return [Route("/api/spans", asking(listed))]
