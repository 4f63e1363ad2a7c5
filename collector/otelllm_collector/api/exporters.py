"""The exporters: what they have sent, and how far behind they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..answers import answer
from ..exporter_status import Status
from ..operations import Answer, Operation
from .schemas import NUMBER, TEXT, WHOLE

__all__ = ["routes"]

_EXPORTER = {
    "type": "object",
    "properties": {
        "name": TEXT,
        "endpoint": TEXT,
        "waiting_records": WHOLE,
        "waiting_bytes": WHOLE,
        "oldest_age_s": NUMBER,
        "skipped_records": WHOLE,
        "sent_records": {"type": "object", "additionalProperties": WHOLE},
        "refused_records": WHOLE,
        "failing_for_s": {"type": ["number", "null"]},
        "last_error": {"type": ["string", "null"]},
    },
}


def routes(statuses: Callable[[], Sequence[Status]]) -> list[Route]:
    """Routes of this group."""

    async def exporters(_: Request) -> Response:
        return answer({"exporters": [_record(one) for one in statuses()]})

    shape = {"type": "object", "properties": {"exporters": {"type": "array", "items": _EXPORTER}}}
    return [
        Operation(
            "/api/exporters", exporters, tag="about", about="What goes onward, and how far each exporter is behind.",
            answers={200: Answer.json("Each exporter.", shape)}, refusals=(400,),
        ),
    ]  # fmt: skip


def _record(one: Status) -> dict[str, Any]:
    return {
        "name": one.name,
        "endpoint": one.endpoint,
        "waiting_records": one.lag.records,
        "waiting_bytes": one.lag.size,
        "oldest_age_s": one.lag.age_s,
        "skipped_records": one.lag.skipped,
        "sent_records": dict(one.sent),
        "refused_records": one.refused,
        "failing_for_s": one.failing_since_s,
        "last_error": one.last_error or None,
    }
