"""Routes that say what they take and what they give, beside their handlers.

The same declaration checks a request and makes the OpenAPI document (`api/openapi.py`), so that they can't differ:
an argument that is not declared is refused, and a handler reads its arguments through what it declares.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, TypeVar

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from . import arguments
from .answers import asking
from .questions import BadQuestion, Page, SpanFilter

__all__ = [
    "FILTERS",
    "JSON",
    "SPAN_ID",
    "TRACE_ID",
    "Answer",
    "Argument",
    "Body",
    "Operation",
    "Paging",
    "Schema",
    "choice",
    "moment",
    "project_of",
    "read_body",
    "read_json",
    "text",
    "wanted_spans",
    "whole",
]

T = TypeVar("T")

Schema = dict[str, Any]
"""JSON Schema, 2020-12."""

JSON = "application/json"


@dataclass(frozen=True)
class Argument(Generic[T]):
    """One argument: its name, its shape for the document, and how its value is read (raises `BadQuestion`)."""

    name: str
    about: str
    schema: Schema
    read: Callable[[Request], T]
    place: Literal["query", "path", "header"] = "query"
    required: bool = False


@dataclass(frozen=True)
class Body:
    """What a request has to bring: its media type to its shape."""

    about: str
    content: Mapping[str, Schema]


@dataclass(frozen=True)
class Answer:
    """What comes with one status."""

    about: str
    content: Mapping[str, Schema] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    """Name to what it says."""

    @classmethod
    def json(cls, about: str, schema: Schema, headers: Mapping[str, str] | None = None) -> Answer:
        """An answer in JSON."""
        return cls(about, {JSON: schema}, headers or {})


Handler = Callable[[Request], Awaitable[Response]]


class Operation(Route):
    """A route of one method with its declaration; its name, by default the handler's own, is the operation's id.

    `arguments` None: its query string is not looked at. `refusals` are the statuses of its errors beside those that
    every request may meet; `errors` are media types that they may have beside our JSON.
    """

    def __init__(  # noqa: PLR0913  each is one thing that a route says
        self,
        path: str,
        handler: Handler,
        *,
        tag: str,
        about: str,
        answers: Mapping[int, Answer],
        method: str = "GET",
        arguments: Sequence[Argument[Any]] | None = (),
        body: Body | None = None,
        refusals: Sequence[int] = (400, 503),
        errors: Mapping[str, Schema] | None = None,
        name: str | None = None,
    ) -> None:
        checked = handler if arguments is None else _only(arguments, handler)
        super().__init__(path, asking(checked), methods=[method], name=name or handler.__name__)
        self.tag, self.about, self.method = tag, about, method
        self.arguments, self.body, self.answers, self.refusals = tuple(arguments or ()), body, answers, tuple(refusals)
        self.errors = errors


def _only(declared: Sequence[Argument[Any]], handler: Handler) -> Handler:
    in_query = [argument for argument in declared if argument.place == "query"]
    known = frozenset(argument.name for argument in in_query)
    single = [argument.name for argument in in_query if argument.schema["type"] != "array"]

    async def checked(request: Request) -> Response:
        arguments.only(request.query_params, known)
        for name in single:
            if len(given := request.query_params.getlist(name)) > 1:
                raise BadQuestion(f"{name} is given {len(given)} times; give it once")
        return await handler(request)

    return checked


def whole(name: str, about: str, default: int, *, least: int = 0, most: int = arguments.MAX_NS) -> Argument[int]:
    """A whole number in its bounds."""

    def read(request: Request) -> int:
        found = arguments.integer(request.query_params, name, default, least=least, most=most)
        assert found is not None
        return found

    return Argument(name, about, {"type": "integer", "minimum": least, "maximum": most, "default": default}, read)


def moment(name: str, about: str) -> Argument[int | None]:
    """A time in nanoseconds since 1970, or none."""
    schema = {"type": "integer", "minimum": 0, "maximum": arguments.MAX_NS}
    return Argument(name, about, schema, lambda request: arguments.integer(request.query_params, name, None))


def choice(name: str, about: str, choices: Sequence[str], default: str | None) -> Argument[str]:
    """One of a closed set; without a default it has to be given."""
    schema: Schema = {"type": "string", "enum": list(choices)}
    if default is not None:
        schema["default"] = default
    return Argument(
        name, about, schema, lambda request: arguments.chosen(request.query_params, name, choices, default),
        required=default is None,
    )  # fmt: skip


def text(name: str, about: str, *, most: int = 1000) -> Argument[str]:
    """Any text up to so many characters; empty where not given."""

    def read(request: Request) -> str:
        found = arguments.text(request.query_params, name)
        if len(found) > most:
            raise BadQuestion(f"{name} has {len(found)} characters; at most {most} are taken")
        return found

    return Argument(name, about, {"type": "string", "maxLength": most}, read)


def _filter(name: str, about: str, schema: Schema) -> Argument[Any]:
    """Read with all the others, by `arguments.span_filter`."""
    return Argument(name, about, schema, lambda request: getattr(arguments.span_filter(request.query_params), name))


_TIME: Schema = {"type": "integer", "minimum": 0, "maximum": arguments.MAX_NS}
_TEXTS: Schema = {"type": "array", "items": {"type": "string"}}
_TRACE_ID: Schema = {"type": "string", "pattern": "^[0-9a-fA-F]{32}$"}

FILTERS: tuple[Argument[Any], ...] = (
    _filter("start", "Begun at this time or later; nanoseconds since 1970.", _TIME),
    _filter("end", "Begun before this time; nanoseconds since 1970.", _TIME),
    _filter("service", "Of this service; may be repeated, as all lists here: one of them has to fit.", _TEXTS),
    _filter("provider", "Of this provider, such as openai.", _TEXTS),
    _filter("model", "This model was asked for, or answered.", _TEXTS),
    _filter("operation", "This operation, such as chat or execute_tool.", _TEXTS),
    _filter("user", "Of this user.", _TEXTS),
    _filter("session", "Of this session.", _TEXTS),
    _filter("feature", "Of this feature of the app.", _TEXTS),
    _filter("name", "Of this name.", _TEXTS),
    _filter("trace_id", "Of this trace: 32 hexadecimal digits.", {"type": "array", "items": _TRACE_ID}),
    _filter("error", "true: only what failed; false: only what did not.", {"type": "boolean"}),
    _filter("min_ms", "Lasted so many milliseconds or longer.", {"type": "number"}),
    _filter("max_ms", "Lasted so many milliseconds at most.", {"type": "number"}),
    _filter("q", "A prompt or an answer holds this text, in any case.", {"type": "string"}),
)
"""The filters of `questions.SpanFilter`, which lists, sums and the live tail share."""


def project_of(request: Request) -> str | None:
    """The one project of which whoever asks may see something; None: all."""
    found: str | None = request.scope.get("otelllm.project")
    return found


def wanted_spans(request: Request) -> SpanFilter:
    """The filters of a request, and the project of its key: what is asked without this is asked of all projects."""
    return replace(arguments.span_filter(request.query_params), project=project_of(request))


TRACE_ID = Argument(
    "trace_id", "32 hexadecimal digits.", _TRACE_ID,
    lambda request: arguments.trace_id(request.path_params["trace_id"]), "path", required=True,
)  # fmt: skip
SPAN_ID = Argument(
    "span_id", "16 hexadecimal digits.", {"type": "string", "pattern": "^[0-9a-fA-F]{16}$"},
    lambda request: arguments.span_id(request.path_params["span_id"]), "path", required=True,
)  # fmt: skip


@dataclass(frozen=True)
class Paging:
    """How a list is read in pages; `id_digits` are those of the record's id in a cursor, None for any number."""

    default: int
    most: int
    id_digits: int | None

    @property
    def arguments(self) -> tuple[Argument[Any], ...]:
        """What the routes of such lists take."""
        about = "The `next` of the page before."
        return (
            whole("limit", "Records of a page.", self.default, least=1, most=self.most),
            Argument("cursor", about, {"type": "string"}, lambda request: self.read(request).after),
        )

    def read(self, request: Request) -> Page:
        """How many and after which record."""
        return arguments.page(request.query_params, default=self.default, most=self.most, id_digits=self.id_digits)


async def read_json(request: Request, limit: int, example: str) -> dict[str, Any]:
    """The object in a request's body, of at most `limit` bytes; a wrong one is answered with `example`."""
    # A page in a browser may send text/plain across origins unasked, but not JSON.
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != JSON:
        raise BadQuestion(f"Content-Type {media_type!r} is not taken; send {JSON}: {example}")
    try:
        found = orjson.loads(await read_body(request, limit))
    except orjson.JSONDecodeError as error:
        raise BadQuestion(f"the body is not JSON ({error}); send {example}") from error
    if not isinstance(found, dict):
        raise BadQuestion(f"the body is no JSON object; send {example}")
    return found


async def read_body(request: Request, limit: int) -> bytes:
    """The body, of at most `limit` bytes."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > limit:
            raise BadQuestion(f"the body is longer than {limit} bytes")
    return body
