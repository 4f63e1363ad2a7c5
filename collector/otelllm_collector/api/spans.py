"""Spans: the list."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .. import arguments
from ..answers import answer
from ..asker import Asker
from ..operations import FILTERS, Answer, Operation, Paging, wanted_spans
from .schemas import TEXT_OR_NULL, listed, ref

__all__ = ["routes"]

PAGES = Paging(100, 5000, id_digits=48)


def routes(asker: Asker) -> list[Route]:
    """Routes of this group."""

    async def list_spans(request: Request) -> Response:
        wanted = PAGES.read(request)
        found = await asker.ask(asker.store.spans, wanted_spans(request), wanted)
        records = found[: wanted.limit]
        following = None
        if len(found) > wanted.limit:
            last = records[-1]
            following = arguments.key_text(last["start_ns"], f"{last['trace_id']}{last['span_id']}")
        return answer({"spans": records, "next": following})

    return [
        Operation(
            "/api/spans", list_spans, tag="spans", about="Spans without their content, newest first.",
            arguments=(*FILTERS, *PAGES.arguments),
            answers={200: Answer.json("One page.", listed("spans", ref("Span"), TEXT_OR_NULL))},
        )
    ]  # fmt: skip
