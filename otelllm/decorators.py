"""Spans for the app's own steps: workflow, agent, tool, retrieval, embedding, rerank, task.

Each works bare or with a name, on functions and methods, sync and async, and on generators of both kinds.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, overload

from . import semconv

__all__ = ["agent", "embedding", "rerank", "retrieval", "task", "tool", "workflow"]

F = TypeVar("F", bound=Callable[..., Any])


def _decorator(function: F | None, operation: str, name: str | None, **facts: str | None) -> Any:
    """A decorator, or `function` decorated: a span around each of its runs, and of the same kind as before."""
    # Here, not above: an app that decorates nothing pays for neither.
    import inspect  # noqa: PLC0415

    from .observed import Observed, Step  # noqa: PLC0415
    from .wrapping import wrapped  # noqa: PLC0415

    def decorate(target: F) -> F:
        told = {key: value for key, value in facts.items() if value is not None}
        if operation == semconv.EXECUTE_TOOL and (doc := inspect.getdoc(target)):
            told.setdefault(semconv.TOOL_DESCRIPTION, doc.partition("\n")[0])
        step = Step(operation, name or target.__name__, told)
        observe = partial(Observed, step, inspect.signature(target))
        return wrapped(target, observe)  # type: ignore[return-value]  # wraps keeps the target's signature

    return decorate if function is None else decorate(function)


@overload
def workflow(function: F, /) -> F: ...
@overload
def workflow(*, name: str | None = None) -> Callable[[F], F]: ...
def workflow(function: F | None = None, /, *, name: str | None = None) -> F | Callable[[F], F]:
    """A whole job of the app: an `invoke_workflow` span with the summed tokens and cost of the calls below it."""
    made: F | Callable[[F], F] = _decorator(function, semconv.INVOKE_WORKFLOW, name)
    return made


@overload
def agent(function: F, /) -> F: ...
@overload
def agent(
    *, name: str | None = None, id: str | None = None, description: str | None = None, version: str | None = None
) -> Callable[[F], F]: ...
def agent(
    function: F | None = None,
    /,
    *,
    name: str | None = None,
    id: str | None = None,  # noqa: A002  the conventions' word
    description: str | None = None,
    version: str | None = None,
) -> F | Callable[[F], F]:
    """One run of an agent: an `invoke_agent` span; its name is also on the calls and tools below it."""
    facts = {
        semconv.AGENT_ID: id, semconv.AGENT_DESCRIPTION: description, semconv.AGENT_VERSION: version,
    }  # fmt: skip
    made: F | Callable[[F], F] = _decorator(function, semconv.INVOKE_AGENT, name, **facts)
    return made


@overload
def tool(function: F, /) -> F: ...
@overload
def tool(*, name: str | None = None, type: str = "function") -> Callable[[F], F]: ...
def tool(
    function: F | None = None,
    /,
    *,
    name: str | None = None,
    type: str = "function",  # noqa: A002  the conventions' word
) -> F | Callable[[F], F]:
    """A tool that a model may call: an `execute_tool` span; arguments and result are content."""
    made: F | Callable[[F], F] = _decorator(function, semconv.EXECUTE_TOOL, name, **{semconv.TOOL_TYPE: type})
    return made


@overload
def retrieval(function: F, /) -> F: ...
@overload
def retrieval(*, name: str | None = None, data_source: str | None = None) -> Callable[[F], F]: ...
def retrieval(
    function: F | None = None, /, *, name: str | None = None, data_source: str | None = None
) -> F | Callable[[F], F]:
    """A search for documents: a `retrieval` span with how many came back; query and documents are content.

    The query is the argument `query`, `question` or `text`, else the first text; a returned sequence is the documents:
    texts, dicts with `id`, `score` and `content` (or `text`), or objects with those attributes.
    """
    made: F | Callable[[F], F] = _decorator(function, semconv.RETRIEVAL, name, **{semconv.DATA_SOURCE_ID: data_source})
    return made


@overload
def embedding(function: F, /) -> F: ...
@overload
def embedding(*, name: str | None = None) -> Callable[[F], F]: ...
def embedding(function: F | None = None, /, *, name: str | None = None) -> F | Callable[[F], F]:
    """The app's own embedding of texts (an SDK's embeddings call has a span already): an `embeddings` span."""
    made: F | Callable[[F], F] = _decorator(function, semconv.EMBEDDINGS, name)
    return made


@overload
def rerank(function: F, /) -> F: ...
@overload
def rerank(*, name: str | None = None) -> Callable[[F], F]: ...
def rerank(function: F | None = None, /, *, name: str | None = None) -> F | Callable[[F], F]:
    """A reranking of documents: a `rerank` span with how many went in and were kept.

    The documents are the argument `documents`, `docs`, `results` or `candidates`, else the first sequence.
    """
    made: F | Callable[[F], F] = _decorator(function, semconv.RERANK, name)
    return made


@overload
def task(function: F, /) -> F: ...
@overload
def task(*, name: str | None = None) -> Callable[[F], F]: ...
def task(function: F | None = None, /, *, name: str | None = None) -> F | Callable[[F], F]:
    """Any other step worth seeing: a span of its own name; arguments and result are content."""
    made: F | Callable[[F], F] = _decorator(function, semconv.TASK, name)
    return made
