"""What LangChain has running now, by its run ids: who is above whom, and in which context work goes on.

A run's parent is told by id, for a pool's thread or a task may know nothing of it; but where the current context is
already below that parent (the app's own spans may be in between), the current context is the nearer truth.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import replace
from time import monotonic
from typing import Any
from uuid import UUID

from opentelemetry.context import Context, attach, create_key, get_current, set_value

from ... import semconv
from ...lineage import above, below
from ...model_calls import ModelCall
from ...runs import Run, keep
from ...safely import safely

__all__ = ["FRAME", "Frame", "OpenSteps", "Step", "steps", "thread_of"]

_ANCHOR = create_key("otelllm-langchain-step")
"""In the context below a run that has a span: that run's step."""

_THREADS = ("thread_id", "session_id", "conversation_id")


def thread_of(told: Mapping[str, Any]) -> str | None:
    """The conversation that a run's metadata, or a config, names."""
    for key in _THREADS:
        thread = told.get(key)
        if thread is not None and thread != "":
            return str(thread)
    return None


FRAME: ContextVar[Frame | None] = ContextVar("otelllm-langchain-frame", default=None)
"""The call of a method that we stand around, for the start event that comes inside it."""


class Step:
    """One open run of LangChain's: with a span (`run`), a model call (`model`), or neither (a step not worth one)."""

    __slots__ = ("anchor", "context", "held", "kind", "model", "moment", "place", "run")

    def __init__(
        self,
        kind: str,
        context: Context,
        anchor: Step | None,
        *,
        run: Run | None = None,
        model: ModelCall | None = None,
    ) -> None:
        self.kind = kind
        """What start event it had: chain, model, tool or retriever."""
        self.run = run
        self.model = model
        self.held: Any = None
        """What the start event knew and the end event needs."""
        self.place: str | None = None
        """Where in a graph it runs: the namespace of its node's checkpoints."""
        self.moment = monotonic()
        self.anchor = anchor
        """The nearest step with a span, itself or above: what `context` is below of."""
        self.context = context
        """The context in which its work goes on."""
        if run is not None:
            self.anchor = self
            self.context = set_value(_ANCHOR, self, run.context)

    def converse(self, thread: str) -> None:
        """It is of this conversation, as was told after its start; and so is all below it."""
        if self.run is not None and above(self.context).conversation is None:
            self.run.found[semconv.CONVERSATION_ID] = thread
            self.context = below(replace(above(self.context), conversation=thread), self.context)

    @property
    def is_current(self) -> bool:
        """Whether the current context is in this step already, or below it."""
        return get_current().get(_ANCHOR) is self.anchor

    def end(self, error: BaseException | None = None, *, error_type: str | None = None) -> None:
        """End what it has, whatever that is; nothing where that has ended."""
        if self.run is not None:
            self.run.end(error, error_type=error_type)
        if self.model is not None:
            if error_type:
                self.model.call.reading.error_type = error_type
            if not self.model.is_seen_below:
                with safely("reading a model call"):
                    self.held.fill(self.model.call)
            self.model.end(self.held.fill_content, error=error)


class OpenSteps:
    """The open steps of the process, by run id. Bounded: where the end of the oldest will not come, it is ended."""

    MOST = 10_000
    OLDEST_S = 24 * 3600.0

    def __init__(self) -> None:
        self._open: dict[UUID, Step] = {}
        keep(self)

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, run_id: UUID) -> bool:
        return run_id in self._open

    def get(self, run_id: UUID | None) -> Step | None:
        """The open step of that run."""
        return self._open.get(run_id) if run_id is not None else None

    def take(self, run_id: UUID) -> Step | None:
        """The step of that run, which is now the caller's to end."""
        return self._open.pop(run_id, None)

    def add(self, run_id: UUID, step: Step) -> None:
        """Keep a step until its end is told."""
        self._open[run_id] = step
        frame = FRAME.get()
        if frame is not None:
            frame.claim(run_id, step)
        self._drop_lost(step.moment)

    def above(self, parent_run_id: UUID | None) -> tuple[Context, Step | None]:
        """The context in which a run with this parent starts, and the nearest step with a span above it."""
        parent = self.get(parent_run_id)
        if parent is None:  # a root; or a parent that began before us, or LangSmith's
            current = get_current()
            anchor = current.get(_ANCHOR)
            return current, anchor if isinstance(anchor, Step) else None
        return (get_current() if parent.is_current else parent.context), parent.anchor

    def end_all(self) -> None:
        """End what is open: otelllm is switched off."""
        for run_id in list(self._open):
            if (step := self.take(run_id)) is not None:
                step.end(error_type="abandoned")

    def forget(self) -> None:
        """In a forked child: what is open belongs to the parent."""
        self._open.clear()

    def _drop_lost(self, moment: float) -> None:
        while True:
            try:
                run_id = next(iter(self._open))
            except (StopIteration, RuntimeError):  # nothing is open, or another thread was just here
                return
            first = self._open.get(run_id)
            if first is None or (len(self._open) <= self.MOST and moment - first.moment < self.OLDEST_S):
                return
            if self.take(run_id) is not None:
                first.end(error_type="abandoned")


steps = OpenSteps()


class Frame:
    """One call of a method of LangChain's, an observation to `wrapping`: the start event inside it tells whose it is.

    From then on, and for as long as the method runs (for a generator: in each of its steps, not between them), its
    step's context is the current one. What was current before is put back by value: the app's loop may finish a
    generator in another context than the one that began it.
    """

    __slots__ = ("_before", "_is_entered", "_put", "_run_id", "_step", "_token", "kind", "owner")

    def __init__(self, kind: str, owner: Any = None) -> None:
        self.kind = kind
        """What start event it waits for: chain, model, tool or retriever."""
        self.owner = owner
        """The object whose method it is."""
        self._run_id: UUID | None = None
        self._step: Step | None = None
        self._token: Any = None
        self._before: Context | None = None
        self._put: Context | None = None
        self._is_entered = False

    def current(self) -> Frame:
        """In force inside `with`."""
        return self

    def __enter__(self) -> None:
        self._token = FRAME.set(self)
        if self._step is not None:
            self._enter(self._step)

    def __exit__(self, *_: object) -> None:
        if self._is_entered and self._step is not None and self._step.model is not None:
            self._is_entered = False
            self._step.model.leave()
        put, self._put = self._put, None
        if put is not None and self._before is not None and get_current() is put:
            attach(self._before)
        token, self._token = self._token, None
        try:
            FRAME.reset(token)
        except ValueError:  # closed by the garbage collector, or by its loop's end, in another context
            return

    def is_for(self, kind: str) -> bool:
        """Whether this is the method that a start event of `kind` comes from."""
        return self._step is None and self.kind == kind

    def claim(self, run_id: UUID, step: Step) -> None:
        """The start event inside has come."""
        if self.is_for(step.kind):
            self._run_id, self._step = run_id, step
            self._enter(step)

    def _enter(self, step: Step) -> None:
        if not step.is_current:
            self._before = get_current()
            self._put = step.context
            attach(step.context)
        if step.model is not None:
            self._is_entered = step.model.enter()

    def saw(self, item: Any) -> None:
        """A generator yielded `item`."""

    def returned(self, result: Any) -> None:
        """The method returned `result`."""
        self.end()

    def end(self, error: BaseException | None = None) -> None:
        """The method is over: where no event has said so (a cancellation, mostly), the step ends with it."""
        if self._run_id is not None and (step := steps.take(self._run_id)) is not None:
            step.end(error)
