"""The OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1), made from what the routes declare of themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from starlette.routing import BaseRoute

from otelllm.version import __version__

from ..operations import JSON, Answer, Operation, Schema
from .schemas import SCHEMAS, ref

__all__ = ["document"]

REFUSALS = {
    400: "Not as asked for: the text names the value and the way out.",
    401: "A key is missing, or not known.",
    403: "The key is for something else, or a page of another site asks.",
    404: "There is none.",
    412: "Another one is in force than the one that was named.",
    408: "The body did not come in time.",
    413: "The body is larger than is taken.",
    415: "The body is of a type or an encoding that is not taken.",
    421: "The Host is not this machine's, where only that is served.",
    503: "Not at the moment: come again after Retry-After seconds.",
}
"""Status to what it says. Who declares one of them says no more about it."""

OF_ALL = (401, 403, 408, 421)
"""What stands before every route may answer so: keys, origins, hosts, time limits."""


def document(routes: Iterable[BaseRoute]) -> dict[str, Any]:
    """The document of these routes; each of them has to be an `Operation`, or there is no document at all."""
    paths: dict[str, dict[str, Any]] = {}
    for one in routes:
        assert isinstance(one, Operation), f"{one} says nothing of itself; make it an Operation"
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one)
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "otelllm collector",
            "version": __version__,
            "summary": "OTLP in, questions about LLM calls out.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"bearer": []}, {"apiKey": []}],
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
    }


def _operation(one: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": one.name,
        "tags": [one.tag],
        "summary": one.about,
        "responses": {
            **{str(status): _response(given) for status, given in one.answers.items()},
            **{str(status): _refusal(status, one.errors) for status in sorted({*one.refusals, *OF_ALL})},
        },
    }
    if one.arguments:
        found["parameters"] = [
            {
                "name": argument.name,
                "in": argument.place,
                "description": argument.about,
                "required": argument.required,
                "schema": argument.schema,
            }
            for argument in one.arguments
        ]
    if one.body is not None:
        found["requestBody"] = {
            "description": one.body.about, "required": True, "content": _content(one.body.content)
        }  # fmt: skip
    return found


def _response(given: Answer) -> dict[str, Any]:
    found: dict[str, Any] = {"description": given.about}
    if given.content:
        found["content"] = _content(given.content)
    if given.headers:
        found["headers"] = {
            name: {"description": about, "schema": {"type": "string"}} for name, about in given.headers.items()
        }
    return found


def _refusal(status: int, errors: Mapping[str, Schema] | None) -> dict[str, Any]:
    about = REFUSALS.get(status, HTTPStatus(status).phrase)
    return {"description": about, "content": _content({JSON: ref("Error"), **(errors or {})})}


def _content(content: Mapping[str, Schema]) -> dict[str, Any]:
    return {media_type: {"schema": schema} for media_type, schema in content.items()}
