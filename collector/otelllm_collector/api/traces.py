"""Traces: the list, one trace, one span."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .. import arguments
from ..answers import answer, asking, refusal
from ..asker import Asker

__all__ = ["routes"]


def routes(asker: Asker) -> list[Route]:
    """Routes of this group."""

    async def listed(request: Request) -> Response:
        arguments.only(request.query_params, "limit", "cursor")
        wanted = arguments.page(request.query_params, default=50, most=1000, id_digits=32)
        found = await asker.ask(asker.store.traces, arguments.span_filter(request.query_params), wanted)
        records = found[: wanted.limit]
        is_more = len(found) > wanted.limit
        following = arguments.key_text(records[-1]["start_ns"], str(records[-1]["trace_id"])) if is_more else None
        return answer({"traces": records, "next": following})

    async def one(request: Request) -> Response:
        trace_id = arguments.trace_id(request.path_params["trace_id"])
        found = await asker.ask(asker.store.trace, trace_id)
        if found is None:
            return refusal(404, f"there is no trace {trace_id!r}; it may not have come yet")
        return answer({"trace": found[0], "spans": found[1]})

    async def span(request: Request) -> Response:
        trace_id = arguments.trace_id(request.path_params["trace_id"])
        span_id = arguments.span_id(request.path_params["span_id"])
        found = await asker.ask(asker.store.span, trace_id, span_id)
        if found is None:
            return refusal(404, f"there is no span {span_id!r} in trace {trace_id!r}; it may not have come yet")
        return answer(found)

    return [
        Route("/api/traces", asking(listed)),
        Route("/api/traces/{trace_id}", asking(one)),
        Route("/api/traces/{trace_id}/spans/{span_id}", asking(span)),
    ]
