"""Sums over model calls, what policies' rules decided, and the values that one can filter by."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..answers import answer
from ..asker import Asker
from ..operations import FILTERS, Answer, Operation, choice, wanted_spans, whole
from .schemas import listed, ref

__all__ = ["routes"]

BY = choice(
    "by", "What the sums are grouped by.",
    ("model", "provider", "user", "session", "feature", "service", "operation", "error_type", "none"), "none",
)  # fmt: skip
BUCKET = choice("bucket", "And by which stretch of time.", ("none", "minute", "hour", "day"), "none")
GROUPS = whole("limit", "Groups at most, the largest first.", 200, least=1, most=100_000)
PERCENTILES = choice(
    "percentiles", "Whether percentiles are wanted too: over a long time they take ten times as long as the sums.",
    ("true", "false"), "true",
)  # fmt: skip

FIELD = choice(
    "field", "Whose values are wanted.",
    ("service", "provider", "model", "operation", "user", "session", "feature", "name"), None,
)  # fmt: skip
VALUES = whole("limit", "Values at most, the commonest first.", 200, least=1, most=10_000)


def routes(asker: Asker) -> list[Route]:
    """Routes of this group."""

    async def aggregates(request: Request) -> Response:
        by, bucket, limit = BY.read(request), BUCKET.read(request), GROUPS.read(request)
        spans = wanted_spans(request)
        percentiles = PERCENTILES.read(request) == "true"
        rows = await asker.ask(asker.store.aggregates, by, bucket, spans, limit, percentiles=percentiles)
        return answer({"rows": rows})

    async def decisions(request: Request) -> Response:
        limit, spans = GROUPS.read(request), wanted_spans(request)
        return answer({"rows": await asker.ask(asker.store.decisions, spans, limit)})

    async def facets(request: Request) -> Response:
        field, limit = FIELD.read(request), VALUES.read(request)
        spans = wanted_spans(request)
        return answer({"values": await asker.ask(asker.store.facets, field, spans, limit)})

    return [
        Operation(
            "/api/aggregates", aggregates, tag="sums",
            about="Sums and percentiles over model calls: tokens, cost, errors, time to the first token, duration.",
            arguments=(*FILTERS, BY, BUCKET, PERCENTILES, GROUPS),
            answers={200: Answer.json("A row a group.", listed("rows", ref("Sums")))},
        ),
        Operation(
            "/api/decisions", decisions, tag="sums",
            about="How often each rule of a policy decided what, and how long calls waited for it.",
            arguments=(*FILTERS, GROUPS),
            answers={200: Answer.json("A row a rule, mode and outcome.", listed("rows", ref("Decisions")))},
        ),
        Operation(
            "/api/facets", facets, tag="sums", about="The values of a field, the commonest first.",
            arguments=(*FILTERS, FIELD, VALUES), answers={200: Answer.json("Values.", listed("values", ref("Value")))},
        ),
    ]  # fmt: skip
