"""Traces: the list, one trace, one span."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .. import arguments
from ..answers import answer, refusal
from ..asker import Asker
from ..operations import FILTERS, SPAN_ID, TRACE_ID, Answer, Operation, Paging, project_of, wanted_spans
from .schemas import TEXT_OR_NULL, listed, ref

__all__ = ["routes"]

PAGES = Paging(50, 1000, id_digits=32)


def routes(asker: Asker) -> list[Route]:
    """Routes of this group."""

    async def list_traces(request: Request) -> Response:
        wanted = PAGES.read(request)
        found = await asker.ask(asker.store.traces, wanted_spans(request), wanted)
        records = found[: wanted.limit]
        is_more = len(found) > wanted.limit
        following = arguments.key_text(records[-1]["start_ns"], str(records[-1]["trace_id"])) if is_more else None
        return answer({"traces": records, "next": following})

    async def get_trace(request: Request) -> Response:
        trace_id = TRACE_ID.read(request)
        found = await asker.ask(asker.store.trace, trace_id, project_of(request))
        if found is None:
            return refusal(404, f"there is no trace {trace_id!r}; it may not have come yet")
        return answer({"trace": found[0], "spans": found[1]})

    async def get_span(request: Request) -> Response:
        trace_id, span_id = TRACE_ID.read(request), SPAN_ID.read(request)
        found = await asker.ask(asker.store.span, trace_id, span_id, project_of(request))
        if found is None:
            return refusal(404, f"there is no span {span_id!r} in trace {trace_id!r}; it may not have come yet")
        return answer(found)

    of_trace = listed("spans", ref("Span"))
    of_trace["properties"]["trace"] = ref("Trace")
    of_trace["required"].append("trace")
    return [
        Operation(
            "/api/traces", list_traces, tag="traces", about="Summaries of traces, newest first.",
            arguments=(*FILTERS, *PAGES.arguments),
            answers={200: Answer.json("One page.", listed("traces", ref("Trace"), TEXT_OR_NULL))},
        ),
        Operation(
            "/api/traces/{trace_id}", get_trace, tag="traces",
            about="One trace: its summary, and its spans in order of start, without their content.",
            arguments=(TRACE_ID,), answers={200: Answer.json("The trace.", of_trace)}, refusals=(400, 404, 503),
        ),
        Operation(
            "/api/traces/{trace_id}/spans/{span_id}", get_span, tag="traces",
            about="Everything about one span: attributes, messages, events, scores.",
            arguments=(TRACE_ID, SPAN_ID), answers={200: Answer.json("The span.", ref("WholeSpan"))},
            refusals=(400, 404, 503),
        ),
    ]  # fmt: skip
