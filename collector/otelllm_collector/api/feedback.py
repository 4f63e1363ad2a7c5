"""What users think of an answer, over HTTP: for those who have no OpenTelemetry at hand, such as pages in a browser.

A 200 means: committed. The same is said in `otelllm.feedback()`, which sends an event by OTLP.
"""

from __future__ import annotations

import asyncio
import math
import time
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from otelllm import semconv

from .. import arguments
from ..answers import answer
from ..commits import Commits, Rejected
from ..operations import JSON, Answer, Body, Operation, read_json
from ..questions import BadQuestion
from ..rows import Batch, ScoreRow

__all__ = ["routes"]

BODY_LIMIT = 64 * 1024

EXAMPLE = '{"trace_id": "…", "span_id": "…", "score": 1, "name": "thumbs", "comment": "…"}'

TEXTS = {
    "name": (200, "What was judged, such as thumbs or helpfulness; feedback where not given."),
    "label": (200, "The judgement in a word, such as good."),
    "comment": (10_000, "Why."),
    "explanation": (10_000, "The same as comment, in the conventions' word."),
    "response_id": (1000, "The provider's id of the answer, instead of trace_id and span_id."),
    "user": (1000, "Who says so."),
    "id": (200, "Your id of this feedback: what comes under it again within 24 hours is not kept again."),
}
"""Field to its longest and what it says."""

FIELDS = (*TEXTS, "score", "trace_id", "span_id")

SCHEMA = {
    "type": "object",
    "properties": {
        "score": {"type": ["number", "boolean", "null"], "description": "true is 1, false 0."},
        "trace_id": {"type": ["string", "null"], "pattern": "^[0-9a-fA-F]{32}$"},
        "span_id": {"type": ["string", "null"], "pattern": "^[0-9a-fA-F]{16}$"},
        **{
            name: {"type": ["string", "null"], "maxLength": most, "description": about}
            for name, (most, about) in TEXTS.items()
        },
    },
    "additionalProperties": False,
    "allOf": [
        {"anyOf": [{"required": [name]} for name in ("score", "label", "comment", "explanation")]},
        {"anyOf": [{"required": ["trace_id", "span_id"]}, {"required": ["response_id"]}]},
    ],
    "examples": [{"trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331", "score": 1}],
}
"""null is as good as not given: that is how JavaScript writes it."""


def routes(commits: Commits) -> list[Route]:
    """Routes of this group."""

    async def feedback(request: Request) -> Response:
        score = _read(await read_json(request, BODY_LIMIT, EXAMPLE), request.scope.get("otelllm.project"))
        try:
            await asyncio.wrap_future(commits.submit(Batch(scores=[score])))
        except Rejected as error:
            raise BadQuestion(str(error)) from error
        return answer({})

    about = (
        "Judge a span or a response. Sent twice is kept once: by its id, or without one where it is the latest word of "
        "its user on that target, said again within 24 hours. The target may be unknown yet."
    )
    return [
        Operation(
            "/v1/feedback", feedback, method="POST", tag="feedback", about=about,
            body=Body("The judgement: at least a score, a label or a comment.", {JSON: SCHEMA}),
            answers={200: Answer.json("It is on the disk.", {"type": "object", "additionalProperties": False})},
        )
    ]  # fmt: skip


def _read(given: dict[str, Any], project: str | None) -> ScoreRow:
    for name in given:
        if name not in FIELDS:
            raise BadQuestion(f"there is no field {name!r}; known are {', '.join(sorted(FIELDS))}")
    given = {name: value for name, value in given.items() if value is not None}
    texts = {name: _text(given[name], name, most) for name, (most, _) in TEXTS.items() if name in given}
    if "comment" in texts and "explanation" in texts:
        raise BadQuestion("comment and explanation are the same; send one of them")
    explanation = texts.get("comment") or texts.get("explanation") or None
    value = _number(given["score"]) if "score" in given else None
    if value is None and not texts.get("label") and not explanation:
        raise BadQuestion(f"there is no score, no label and no comment; send {EXAMPLE}")
    trace_id, span_id = _target(given)
    beside = {semconv.USER_ID: texts.get("user"), semconv.PROJECT: project}
    return ScoreRow(
        trace_id=trace_id,
        span_id=span_id,
        response_id=texts.get("response_id"),
        name=texts.get("name") or "feedback",
        value=value,
        label=texts.get("label") or None,
        explanation=explanation,
        time_ns=time.time_ns(),
        attributes=orjson.dumps({name: text for name, text in beside.items() if text}).decode(),
        feedback_id=texts.get("id") or "",
    )


def _target(given: dict[str, Any]) -> tuple[bytes | None, int | None]:
    """The ids of the span, none where the response is named."""
    of_span = [name for name in ("trace_id", "span_id") if name in given]
    if given.get("response_id"):
        if of_span:
            raise BadQuestion(
                f"response_id and {of_span[0]} name two targets; send trace_id and span_id, or response_id"
            )
        return None, None
    if len(of_span) < 2:
        raise BadQuestion(f"it is not said what is judged; send trace_id and span_id, or response_id: {EXAMPLE}")
    trace_id = bytes.fromhex(arguments.trace_id(_text(given["trace_id"], "trace_id", 1000)))
    span_id = int(arguments.span_id(_text(given["span_id"], "span_id", 1000)), 16)
    if not any(trace_id) or not span_id:
        raise BadQuestion("trace_id and span_id of zeros only name nothing; send those of the span")
    return trace_id, span_id


def _text(value: object, name: str, most: int) -> str:
    if not isinstance(value, str):
        raise BadQuestion(f"{name} {value!r} is no text")
    if len(value) > most:
        raise BadQuestion(f"{name} has {len(value)} characters; at most {most} are taken")
    return value


def _number(value: object) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise BadQuestion(f"score {value!r} is no number; send 1, 0.5 or true")
    return float(value)
