"""Sums over model calls, and the values that one can filter by."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .. import arguments
from ..answers import answer, asking
from ..asker import Asker

__all__ = ["routes"]

BY = ("model", "provider", "user", "session", "feature", "service", "operation", "error_type", "none")
BUCKETS = ("none", "minute", "hour", "day")
FIELDS = ("service", "provider", "model", "operation", "user", "session", "feature", "name")


def routes(asker: Asker) -> list[Route]:
    """Routes of this group."""

    async def aggregates(request: Request) -> Response:
        given = request.query_params
        arguments.only(given, "by", "bucket", "limit")
        by = arguments.chosen(given, "by", BY, "none")
        bucket = arguments.chosen(given, "bucket", BUCKETS, "none")
        limit = arguments.integer(given, "limit", 200, least=1, most=100_000) or 200
        return answer(
            {"rows": await asker.ask(asker.store.aggregates, by, bucket, arguments.span_filter(given), limit)}
        )

    async def facets(request: Request) -> Response:
        given = request.query_params
        arguments.only(given, "field", "limit")
        field = arguments.chosen(given, "field", FIELDS, None)
        limit = arguments.integer(given, "limit", 200, least=1, most=10_000) or 200
        return answer({"values": await asker.ask(asker.store.facets, field, arguments.span_filter(given), limit)})

    return [Route("/api/aggregates", asking(aggregates)), Route("/api/facets", asking(facets))]
