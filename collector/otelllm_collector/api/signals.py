"""Metrics and logs."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .. import arguments
from ..answers import answer
from ..asker import Asker
from ..operations import FILTERS, Answer, Operation, Paging, moment, project_of, text, wanted_spans, whole
from ..questions import FILTERS_OF, SpanFilter
from .schemas import TEXT_OR_NULL, listed, ref

__all__ = ["routes"]

NAME = text("name", "The metric; without it the names that there are.")
START = moment("start", "At this time or later; nanoseconds since 1970.")
END = moment("end", "Before this time; nanoseconds since 1970.")
POINTS = whole("limit", "Data points at most, newest first.", 10_000, least=1, most=100_000)

RECORDS = Paging(100, 5000, id_digits=None)
OF_LOGS = tuple(one for one in FILTERS if one.name in FILTERS_OF["logs"])


def routes(asker: Asker) -> list[Route]:
    """Routes of this group."""

    async def metrics(request: Request) -> Response:
        name, limit = NAME.read(request), POINTS.read(request)
        wanted = SpanFilter(start=START.read(request), end=END.read(request), project=project_of(request))
        if not name:
            return answer({"names": await asker.ask(asker.store.metric_names, wanted)})
        return answer({"metrics": await asker.ask(asker.store.metrics, name, wanted, limit)})

    async def logs(request: Request) -> Response:
        wanted = RECORDS.read(request)
        found = await asker.ask(asker.store.logs, wanted_spans(request), wanted)
        records = found[: wanted.limit]
        following = None
        if len(found) > wanted.limit:
            following = arguments.key_text(records[-1]["time_ns"], f"{int(str(records[-1]['row_id'])):x}")
        for record in records:
            del record["row_id"]
        return answer({"logs": records, "next": following})

    points = {"oneOf": [listed("names", ref("MetricName")), listed("metrics", ref("MetricPoint"))]}
    return [
        Operation(
            "/api/metrics", metrics, tag="signals", about="Data points of one metric, or the names of all.",
            arguments=(NAME, START, END, POINTS), answers={200: Answer.json("Names, or points.", points)},
        ),
        Operation(
            "/api/logs", logs, tag="signals", about="Log records, newest first.",
            arguments=(*OF_LOGS, *RECORDS.arguments),
            answers={200: Answer.json("One page.", listed("logs", ref("Log"), TEXT_OR_NULL))},
        ),
    ]  # fmt: skip
