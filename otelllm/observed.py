"""One run of an app's own step: what went in and came out, as its decorator understands them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from . import semconv
from .call import Part, Value
from .fields import field
from .json_tree import plain
from .runs import Run
from .safely import safely
from .tool_gate import pass_gate

__all__ = ["Observed", "Step", "read_documents"]

_QUERIES = ("query", "question", "text")
_DOCUMENTS = ("documents", "docs", "results", "candidates")
_TOP = ("top_k", "k", "limit", "n")


@dataclass(frozen=True, slots=True)
class Step:
    """What a decorator says of the function under it."""

    operation: str
    name: str
    facts: Mapping[str, Value]

    @property
    def span_name(self) -> str:
        """`invoke_workflow answer`, `execute_tool look_up`, …; a task goes by its own name."""
        return self.name if self.operation == semconv.TASK else f"{self.operation} {self.name}"


class Observed:
    """The run of a decorated function. Does nothing where otelllm is not on."""

    __slots__ = ("_arguments", "_run", "_step")

    def __init__(self, step: Step, signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._step = step
        self._arguments: dict[str, Any] = {}
        self._run = Run(step.operation, step.name, step.facts, span_name=step.span_name, is_apps=True)
        if self._run.is_recording:
            with safely("reading a step's arguments"):
                self._arguments = _bound(signature, args, kwargs)
                self._read_arguments()

    @contextmanager
    def current(self) -> Iterator[None]:
        """Our span is the current one inside; for one step at a time. A tool that is switched off is not run."""
        if self._step.operation == semconv.EXECUTE_TOOL:
            pass_gate(self._step.name, self._run.span)
        with self._run.current():
            yield

    def saw(self, item: Any) -> None:
        """A generator yielded `item`: the first one is its time to first token."""
        self._run.saw_first()

    def returned(self, result: Any) -> None:
        """The function returned `result`."""
        if self._run.is_recording:
            with safely("reading a step's result"):
                self._read_result(result)
        self.end()

    def end(self, error: BaseException | None = None) -> None:
        """End the span; `GeneratorExit` (the reader left) is no error."""
        self._run.end(error)
        self._arguments = {}

    def _read_arguments(self) -> None:
        operation, arguments, run = self._step.operation, self._arguments, self._run
        content = run.content
        if operation == semconv.RETRIEVAL:
            top = next((arguments[name] for name in _TOP if isinstance(arguments.get(name), int)), None)
            if top is not None:
                run.found[semconv.RETRIEVAL_TOP_K] = top
            query = next((arguments[name] for name in _QUERIES if isinstance(arguments.get(name), str)), None)
            query = query or next((one for one in arguments.values() if isinstance(one, str)), None)
            if content is not None and query:
                content.write_text(semconv.RETRIEVAL_QUERY, query)
        elif operation == semconv.RERANK:
            documents = next((arguments[name] for name in _DOCUMENTS if _is_list(arguments.get(name))), None)
            documents = documents or next((one for one in arguments.values() if _is_list(one)), None)
            if documents is not None:
                run.found[semconv.RERANK_IN] = len(documents)
        elif operation == semconv.EXECUTE_TOOL:
            if content is not None:
                content.write(semconv.TOOL_CALL_ARGUMENTS, arguments)
        elif content is not None and arguments:
            content.write(semconv.INPUT_MESSAGES, [{"role": "user", "parts": [_as_part(_lone(arguments))]}])

    def _read_result(self, result: Any) -> None:
        operation, run = self._step.operation, self._run
        content = run.content
        if operation in {semconv.RETRIEVAL, semconv.RERANK} and _is_list(result):
            read_documents(run, result)
        elif operation == semconv.EXECUTE_TOOL:
            if content is not None:
                content.write(semconv.TOOL_CALL_RESULT, result)
        elif content is not None and result is not None and operation != semconv.EMBEDDINGS:
            content.write(semconv.OUTPUT_MESSAGES, [{"role": "assistant", "parts": [_as_part(result)]}])


def _bound(signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Arguments by name, without the instance that a method has; empty where the call will fail by itself."""
    try:
        bound = signature.bind_partial(*args, **kwargs).arguments
    except TypeError:
        return {}
    first = next(iter(bound), None)
    return {name: value for name, value in bound.items() if not (name == first and name in {"self", "cls"})}


def _lone(arguments: Mapping[str, Any]) -> Any:
    """The one argument there is, or all of them by name."""
    return next(iter(arguments.values())) if len(arguments) == 1 else dict(arguments)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _as_part(value: Any) -> Part:
    """A text part; what is no text is shown as JSON, as the model or a reader would get it."""
    shown = value if isinstance(value, str) else orjson.dumps(plain(value)).decode()
    return {"type": "text", "content": shown}


def read_documents(run: Run, documents: Sequence[Any]) -> None:
    """What a retrieval, or a reranking, gave: how many, and as content which."""
    counted = semconv.RERANK_OUT if run.operation == semconv.RERANK else semconv.RETRIEVAL_COUNT
    run.found[counted] = len(documents)
    if run.content is not None:
        run.content.write(semconv.RETRIEVAL_DOCUMENTS, [_document(one) for one in documents])


def _document(one: Any) -> dict[str, Any]:
    """A retrieved document in the conventions' shape: id, score, content; what it lacks is left out."""
    if isinstance(one, str):
        return {"content": one}
    if isinstance(one, tuple) and len(one) == 2:  # (document, score), as many stores give it
        return {**_document(one[0]), "score": one[1]}
    found: dict[str, Any] = {}
    for name, keys in (("id", ("id", "doc_id")), ("score", ("score", "relevance_score", "similarity")),
                       ("content", ("content", "text", "page_content"))):  # fmt: skip
        value = next((value for key in keys if (value := field(one, key)) is not None), None)
        if value is not None:
            found[name] = value
    return found
