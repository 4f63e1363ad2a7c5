"""Models that run in the app's own process: their calls' spans, as observations of the method that computes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

from . import method_runs, semconv
from .call import Message, Part, Value
from .enclosing import enclosing
from .method_runs import MethodRun
from .parts import text
from .runs import Run

__all__ = ["Local", "observed", "read_embedded", "read_ranked", "short_name"]

_inside: ContextVar[bool] = ContextVar("otelllm-local-model", default=False)
"""A local model's call is open: what it calls of the same package is the same call."""


class Local(MethodRun):
    """One call of a local model."""

    __slots__ = ()

    def __init__(
        self,
        operation: str,
        provider: str,
        model: str,
        facts: Mapping[str, Value],
        read: Callable[[Run, Any], None] | None = None,
    ) -> None:
        """`read` reads the result, where anybody will see it."""
        told: dict[str, Value] = {semconv.PROVIDER: provider, **facts}
        if model:
            told[semconv.REQUEST_MODEL] = model
        super().__init__(Run(operation, model, told), read, _inside)
        outer = enclosing()
        if outer is not None and self.run.is_open:
            outer.saw(operation)
            self.run.found.update(outer.attributes)


def observed(
    begin: Callable[[tuple[Any, ...], dict[str, Any]], Local | None],
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """What makes the replacement of a method: each of its calls is observed, but for those inside another one."""
    return method_runs.observed(begin, _inside)


def short_name(name: Any) -> str:
    """A model's name; of one that was loaded from a folder the folder's own, not where it is."""
    if not isinstance(name, str):
        return ""
    is_path = name.startswith(("/", ".", "~")) or "\\" in name or name.count("/") > 1
    return name.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1] if is_path else name


def read_ranked(run: Run, query: Any, ranked: Sequence[Any], document: Callable[[Any], Part]) -> None:
    """How many were ranked; as content for which query, and each as `document` gives it: {id, score, content?}."""
    run.found[semconv.RERANK_OUT] = len(ranked)
    if run.content is not None:
        if isinstance(query, str):
            run.content.write_text(semconv.RETRIEVAL_QUERY, query)
        run.content.write(semconv.RETRIEVAL_DOCUMENTS, [document(one) for one in ranked])


def read_embedded(run: Run, inputs: Sequence[Any], result: Any) -> None:
    """What was embedded, and the size of a vector."""
    shape = getattr(result, "shape", None)
    if shape is None and isinstance(result, list) and result:
        shape = getattr(result[0], "shape", None)
    if shape is not None and len(shape):
        run.found[semconv.EMBEDDINGS_DIMENSIONS] = int(shape[-1])
    if run.content is not None:
        messages: list[Message] = [{"role": "user", "parts": [text(one)]} for one in inputs if isinstance(one, str)]
        run.content.write(semconv.INPUT_MESSAGES, messages)
