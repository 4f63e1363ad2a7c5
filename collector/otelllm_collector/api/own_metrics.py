"""The collector's own metrics, for Prometheus."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..operations import Answer, Operation
from .schemas import TEXT

__all__ = ["routes"]


def routes() -> list[Route]:
    """Routes of this group."""

    async def metrics(_: Request) -> Response:
        text = await run_in_threadpool(generate_latest)  # it looks at files
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    return [
        Operation(
            "/metrics", metrics, tag="about", about="The collector's own metrics, for Prometheus.", arguments=None,
            answers={200: Answer("Prometheus' text format.", {"text/plain": TEXT})}, refusals=(), name="own_metrics",
        )
    ]  # fmt: skip
