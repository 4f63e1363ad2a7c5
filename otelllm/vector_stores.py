"""Vector stores: their searches as `retrieval` spans, their other operations as plain database spans.

A search below a framework's retriever is not counted twice: the retriever's span is the `retrieval`, the store's a
database span. Vectors are never kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from opentelemetry.context import get_value
from opentelemetry.trace import SpanKind

from . import method_runs, semconv
from .call import Part, Value
from .fields import field
from .method_runs import MethodRun
from .runs import IN_RETRIEVAL, Run
from .spec import Wrapper

__all__ = ["Operation", "Server", "argument", "document", "observed", "server_of", "wrappers"]

_inside: ContextVar[bool] = ContextVar("otelllm-vector-store", default=False)
"""An operation is open: what it calls of the same store is the same operation."""

_CONTENT = ("text", "content", "page_content", "chunk_text", "document", "body")
"""Fields of records in which stores' users keep the text."""


class Server(NamedTuple):
    """Where a store is asked; a store in this process has none."""

    address: str
    port: int | None


class Operation(NamedTuple):
    """What one call of a store is."""

    verb: str
    """The store's own word: query, upsert, …"""
    collection: str
    is_search: bool = False
    top_k: int | None = None
    query: str | None = None
    """The text that is searched for, where the store embeds it itself."""
    namespace: str | None = None
    server: Server | None = None
    found: Callable[[Any], Sequence[Part] | int] | None = None
    """From the result: what was found, as `document` gives each; or only how many, where rows are fetched later."""


def _run(system: str, operation: Operation) -> Run:
    """The span of one operation."""
    facts: dict[str, Value] = {semconv.DB_SYSTEM: system, semconv.DB_OPERATION: operation.verb}
    if operation.collection:
        facts[semconv.DB_COLLECTION] = operation.collection
    if operation.namespace:
        facts[semconv.DB_NAMESPACE] = operation.namespace
    if operation.server is not None:
        facts[semconv.SERVER_ADDRESS] = operation.server.address
        if operation.server.port:
            facts[semconv.SERVER_PORT] = operation.server.port
    kind = SpanKind.INTERNAL if operation.server is None else SpanKind.CLIENT
    if not operation.is_search or get_value(IN_RETRIEVAL):
        name = f"{operation.verb} {operation.collection}".rstrip()
        return Run("", operation.collection, facts, kind=kind, span_name=name)
    if operation.collection:
        facts[semconv.DATA_SOURCE_ID] = operation.collection
    if operation.top_k is not None:
        facts[semconv.RETRIEVAL_TOP_K] = operation.top_k
    run = Run(semconv.RETRIEVAL, operation.collection, facts, kind=kind)
    if operation.query and run.content is not None:
        run.content.write_text(semconv.RETRIEVAL_QUERY, operation.query)
    return run


def _reader(find: Callable[[Any], Sequence[Part] | int]) -> Callable[[Run, Any], None]:
    def read(run: Run, result: Any) -> None:
        found = find(result)
        run.found[semconv.RETRIEVAL_COUNT] = found if isinstance(found, int) else len(found)
        if run.content is not None and run.operation and not isinstance(found, int):
            run.content.write(semconv.RETRIEVAL_DOCUMENTS, list(found))

    return read


Describe = Callable[[tuple[Any, ...], Mapping[str, Any]], Operation | None]
"""What a call is, from its arguments (`self` first); None where it is not to be seen."""


def observed(system: str, describe: Describe) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """What makes the replacement of a store's method. `system` is the conventions' `db.system.name`."""

    def begin(args: tuple[Any, ...], kwargs: dict[str, Any]) -> MethodRun | None:
        operation = describe(args, kwargs)
        if operation is None:
            return None
        read = None if operation.found is None else _reader(operation.found)
        return MethodRun(_run(system, operation), read, _inside)

    return method_runs.observed(begin, _inside)


def wrappers(
    system: str, classes: Sequence[str], describers: Mapping[str, Describe], *, needed: str = ""
) -> tuple[Wrapper, ...]:
    """A wrapper of each method on each class (`module:Class`); all but `needed` of the first may be missing."""
    return tuple(
        Wrapper(f"{kind}.{name}", observed(system, describe), optional=not (name == needed and kind == classes[0]))
        for kind in classes
        for name, describe in describers.items()
    )


def argument(args: tuple[Any, ...], kwargs: Mapping[str, Any], position: int, name: str, default: Any = None) -> Any:
    """An argument that may come by position (0 is `self`) or by name."""
    return args[position] if len(args) > position else kwargs.get(name, default)


def document(own_id: Any, record: Any, *, score: Any = None, distance: Any = None, content: Any = None) -> Part:
    """What was found, as `gen_ai.retrieval.documents` has it: id, `score` (higher is nearer) or `distance` (lower is),
    and the text, where it is told or the record (a dict or an object) has a field that looks like it.
    """
    found: Part = {} if own_id is None else {"id": str(own_id)}
    if isinstance(score, int | float):
        found["score"] = float(score)
    if isinstance(distance, int | float):
        found["distance"] = float(distance)
    if content is None and record is not None:
        content = next((text for name in _CONTENT if isinstance(text := field(record, name), str)), None)
    if isinstance(content, str):
        found["content"] = content
    return found


def server_of(url: Any) -> Server | None:
    """Host and port of an address; None where it is none (a path, `:memory:`)."""
    text = str(url or "")
    parts = urlsplit(text if "://" in text else f"//{text}")
    if not parts.hostname or parts.scheme == "file":
        return None
    return Server(parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme))
