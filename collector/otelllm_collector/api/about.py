"""About the collector itself: whether it takes spans in, and what it can be asked."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from otelllm.version import __version__

from ..answers import answer
from ..operations import Answer, Operation
from .openapi import document
from .schemas import OBJECT, TEXT

__all__ = ["routes"]


def routes() -> list[Route]:
    """Routes of this group."""

    async def health(_: Request) -> Response:
        return answer({"status": "ok", "version": __version__})

    async def openapi(request: Request) -> Response:
        return answer(document(request.app.routes))

    healthy = {"type": "object", "properties": {"status": {"const": "ok"}, "version": TEXT}}
    return [
        Operation(
            "/healthz", health, tag="about", about="Whether spans are taken in.", arguments=None,
            answers={200: Answer.json("They are.", healthy)}, refusals=(),
        ),
        Operation(
            "/api/openapi.json", openapi, tag="about", about="This document.",
            answers={200: Answer.json("OpenAPI 3.1.", OBJECT)}, refusals=(400,),
        ),
    ]  # fmt: skip
