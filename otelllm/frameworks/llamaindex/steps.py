"""What LlamaIndex has running now, by its span ids, and what becomes of each when it ends."""

from __future__ import annotations

import inspect
from time import monotonic
from typing import Any

from opentelemetry.context import Context, attach, create_key, get_current, set_value

from ... import emit, semconv
from ...call import Call
from ...model_calls import ModelCall
from ...runs import Run
from .kinds import begin, is_watched
from .models import read_answer, read_embeddings

__all__ = ["Steps"]

_ANCHOR = create_key("otelllm-llamaindex-step")
MOST = 10_000
OLDEST_S = 24 * 3600.0


class _Step:
    """One open span of LlamaIndex's."""

    __slots__ = ("before", "below", "instance", "model", "moment", "read", "run", "started", "stream")

    def __init__(self, instance: Any, below: Context) -> None:
        self.instance = instance
        self.run: Run | None = None
        self.model: ModelCall | None = None
        self.read: Any = None
        """Reads the result onto the run."""
        self.below = below
        """The context in which its work goes on."""
        self.before: Context | None = None
        self.started: Any = None
        """The start event of a model call, and at last its end event."""
        self.stream = False
        self.moment = monotonic()


class Steps:
    """The open steps of the process. Bounded: where an end is not coming, the step is ended."""

    def __init__(self) -> None:
        self._open: dict[str, _Step] = {}

    def enter(self, key: str, bound: inspect.BoundArguments, instance: Any, parent_id: str | None) -> None:
        """A method with a span of LlamaIndex's is called."""
        if emit.active() is None or instance is None:
            return
        above = self._open.get(parent_id) if parent_id is not None else None
        current = get_current()
        # Where the current context is below that parent already (the app's own spans may be in between), it is nearer.
        context = current if above is None or current.get(_ANCHOR) is above else above.below
        step = _Step(instance, context)
        method = key.partition("-")[0].rpartition(".")[2]
        made = begin(instance, method, bound, context)
        if isinstance(made, ModelCall):
            step.model = made
            made.enter()
        elif made is not None:
            step.run, step.read = made
            step.below = step.run.context
        step.below = set_value(_ANCHOR, step, step.below)
        step.before = current
        attach(step.below)
        self._open[key] = step
        self._drop_lost(step.moment)

    def exit(self, key: str, result: Any) -> None:
        """It returned; what it returned may be a stream that is read later."""
        step = self._open.get(key)
        if step is None:
            return
        self._leave(step)
        if step.model is not None and (inspect.isgenerator(result) or inspect.isasyncgen(result)):
            step.stream = True
            if is_watched(step.instance):
                self._open.pop(key, None)  # the SDK below sends at the first read, and has the span
            return
        self._open.pop(key, None)
        self._end(step, result)

    def drop(self, key: str, error: BaseException | None) -> None:
        """It raised."""
        step = self._open.pop(key, None)
        if step is not None:
            self._leave(step)
            self._end(step, None, error)

    def heard(self, event: Any) -> None:
        """An event: a model call's messages, chunks and answer; the end of a stream."""
        step = self._open.get(event.span_id or "")
        if step is None or step.model is None:
            return
        kind = type(event).__name__
        if kind in {"LLMChatStartEvent", "LLMCompletionStartEvent"}:
            step.started = [event]
        elif kind in {"LLMChatInProgressEvent", "LLMCompletionInProgressEvent"}:
            step.model.chunk(2 if getattr(event.response, "delta", None) else 0)
        elif kind in {"LLMChatEndEvent", "LLMCompletionEndEvent", "EmbeddingEndEvent"}:
            step.started = [*(step.started or ()), event]
            if step.stream:
                self._open.pop(event.span_id, None)
                self._end(step, None)
        elif kind == "ExceptionEvent" and step.stream:
            self._open.pop(event.span_id, None)
            self._end(step, None, event.exception)

    def end_all(self) -> None:
        """otelllm is switched off."""
        while self._open:
            self._end(self._open.popitem()[1], None, lost=True)

    def _leave(self, step: _Step) -> None:
        """By value: a workflow's end comes in another context than its start."""
        if step.model is not None:
            step.model.leave()
        if step.before is not None and get_current() is step.below:
            attach(step.before)

    def _end(self, step: _Step, result: Any, error: BaseException | None = None, *, lost: bool = False) -> None:
        if step.run is not None:
            if step.read is not None and error is None and step.run.is_recording:
                step.read(step.run, result)
            step.run.end(error, error_type="abandoned" if lost else None)
        if step.model is not None:
            is_left = isinstance(error, GeneratorExit)
            step.model.end(
                lambda call: _read(step, result, call),
                error=None if is_left else error,
                ending="closed" if is_left else "abandoned" if lost else None,
            )

    def _drop_lost(self, moment: float) -> None:
        while self._open:
            first = next(iter(self._open))
            lost = self._open[first]
            if len(self._open) <= MOST and moment - lost.moment < OLDEST_S:
                return
            self._open.pop(first, None)
            self._end(lost, None, lost=True)


def _read(step: _Step, result: Any, call: Call) -> None:
    if call.operation == semconv.EMBEDDINGS:
        read_embeddings(call, step.started, result)
    else:
        read_answer(call, step.started)
