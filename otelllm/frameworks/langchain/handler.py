"""The callback handler that is in every run of LangChain's, and what it makes of each event.

Inline: it runs in the task or thread of the work itself. It never touches a context; what makes one current is a frame
around the method that does the work (frames), or LangChain's own context for it. Nothing in here raises.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from importlib import import_module
from types import ModuleType
from typing import Any
from uuid import UUID

from ... import emit, semconv
from ...call import Call, Ending, Request, Value
from ...model_calls import ModelCall
from ...runs import Run
from ...safely import safely
from ...spec import Delta
from . import readings
from .graphs import described
from .open_steps import FRAME, Step, steps, thread_of
from .searches import Found

__all__ = ["install"]

_HIDDEN = "langsmith:hidden"


def install(module: ModuleType) -> Callable[[], None] | str:
    """Put the handler into every run from now on; how to take it out. `module` is langchain_core.tracers.context."""
    hooks = getattr(module, "_configure_hooks", None)
    if not hasattr(module, "register_configure_hook") or not isinstance(hooks, list):
        return "register_configure_hook is not in this version"
    base = import_module("langchain_core.callbacks").BaseCallbackHandler
    handler = type("OtelllmHandler", (_Events, base), {"inert": base})()
    # As its default, for a value that is set here is not there in threads that start bare.
    variable: ContextVar[Any] = ContextVar("otelllm-langchain", default=handler)
    module.register_configure_hook(variable, inheritable=True)

    def undo() -> None:
        hooks[:] = [hook for hook in hooks if hook[0] is not variable]
        steps.end_all()

    return undo


class _Events:
    """The events, by LangChain's names for them. Without state: what is open is in `steps`."""

    run_inline = True
    raise_error = False
    ignore_retry = True
    ignore_custom_event = True
    inert: type[Any]

    # Apps copy configs, with the callbacks in them; a pickled one is nothing where it arrives.
    def __copy__(self) -> _Events:
        return self

    def __deepcopy__(self, memo: object) -> _Events:
        return self

    def __reduce__(self) -> tuple[type[Any], tuple[()]]:
        return self.inert, ()

    def on_chain_start(
        self,
        serialized: Mapping[str, Any] | None,
        inputs: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> None:
        """A chain, a graph or one of its nodes begins."""
        if emit.active() is None or run_id in steps:
            return
        with safely("seeing a chain start"):
            context, anchor = steps.above(parent_run_id)
            told = metadata or {}
            chain = _chain(serialized, tags or (), told, more, steps.get(parent_run_id))
            if chain is None:
                step = Step("chain", context, anchor)
                step.place = told.get("langgraph_checkpoint_ns")
                steps.add(run_id, step)
                return
            operation, name, facts = chain
            run = Run(operation, name, facts, parent=context, span_name=_span_name(operation, name))
            step = Step("chain", context, anchor, run=run if run.is_open else None)
            step.place = told.get("langgraph_checkpoint_ns")
            steps.add(run_id, step)
            if run.content is not None and operation != semconv.TASK:  # a node is given all of the graph's state
                step.held = not readings.write_inputs(run.content, inputs)

    def on_chain_end(self, outputs: Any, *, run_id: UUID, inputs: Any = None, **_: Any) -> None:
        """It ended well."""
        step = steps.take(run_id)
        if step is None or step.run is None:
            return
        with safely("reading a chain's outputs"):
            if step.run.content is not None:
                if step.held:
                    readings.write_inputs(step.run.content, inputs)
                readings.write_outputs(step.run.content, outputs)
        step.end()

    def on_chain_error(self, error: BaseException, *, run_id: UUID, inputs: Any = None, **_: Any) -> None:
        """It ended by an error, an interrupt of the graph, or by its reader."""
        step = steps.get(run_id)
        if step is not None and step.held and step.run is not None and step.run.content is not None:
            with safely("reading a chain's inputs"):
                readings.write_inputs(step.run.content, inputs)
        _failed(run_id, error)

    def on_tool_start(
        self,
        serialized: Mapping[str, Any] | None,
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> None:
        """A tool begins."""
        if emit.active() is None or run_id in steps:
            return
        with safely("seeing a tool start"):
            told = serialized or {}
            facts: dict[str, Value] = {semconv.TOOL_TYPE: "function", **_conversation(metadata or {})}
            if description := told.get("description"):
                facts[semconv.TOOL_DESCRIPTION] = str(description)
            if call_id := more.get("tool_call_id"):
                facts[semconv.TOOL_CALL_ID] = str(call_id)
            name = str(told.get("name") or more.get("name") or "")
            step = _opened("tool", semconv.EXECUTE_TOOL, name, facts, parent_run_id)
            steps.add(run_id, step)
            if step.run is not None and step.run.content is not None:
                step.run.content.write(semconv.TOOL_CALL_ARGUMENTS, input_str if inputs is None else inputs)

    def on_tool_end(self, output: Any, *, run_id: UUID, **_: Any) -> None:
        """It gave a result, which may say that it failed."""
        step = steps.take(run_id)
        if step is None or step.run is None:
            return
        failed = None
        with safely("reading a tool's result"):
            failed = readings.tool_result(step.run, output)
        step.end(error_type=failed)

    def on_tool_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """It raised."""
        _failed(run_id, error)

    def on_retriever_start(
        self,
        serialized: Mapping[str, Any] | None,
        query: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> None:
        """A retriever begins."""
        if emit.active() is None or run_id in steps:
            return
        with safely("seeing a retriever start"):
            name = str(more.get("name") or (serialized or {}).get("name") or "")
            step = _opened("retriever", semconv.RETRIEVAL, name, _conversation(metadata or {}), parent_run_id)
            step.held = Found()
            step.context = step.held.below(step.context)
            steps.add(run_id, step)
            if step.run is not None and step.run.content is not None:
                step.run.content.write_text(semconv.RETRIEVAL_QUERY, query)

    def on_retriever_end(self, documents: Any, *, run_id: UUID, **_: Any) -> None:
        """It found these."""
        step = steps.take(run_id)
        if step is None or step.run is None:
            return
        with safely("reading a retriever's documents"):
            step.held.read(step.run, documents)
        step.end()

    def on_retriever_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """It raised."""
        _failed(run_id, error)

    def on_chat_model_start(
        self, serialized: Mapping[str, Any] | None, messages: list[list[Any]], *, run_id: UUID, **more: Any
    ) -> None:
        """A chat model is called."""
        _model_started(semconv.CHAT, serialized, messages[0] if messages else [], run_id, more)

    def on_llm_start(
        self, serialized: Mapping[str, Any] | None, prompts: list[str], *, run_id: UUID, **more: Any
    ) -> None:
        """A model that completes texts is called."""
        _model_started(semconv.TEXT_COMPLETION, serialized, prompts, run_id, more)

    def on_llm_new_token(self, token: Any, *, chunk: Any = None, run_id: UUID, **_: Any) -> None:
        """A chunk of a streamed answer came."""
        step = steps.get(run_id)
        if step is None or step.model is None or step.model.is_seen_below:
            return
        with safely("seeing a token"):
            step.model.chunk(readings.delta(token, chunk))

    def on_stream_event(self, event: Mapping[str, Any], *, run_id: UUID, **_: Any) -> None:
        """An event of the newer way to stream."""
        step = steps.get(run_id)
        if step is None or step.model is None or step.model.is_seen_below:
            return
        with safely("seeing an event of a stream"):
            carried: Delta | None = readings.event_delta(event)
            if carried is not None:
                step.model.chunk(carried)

    def on_llm_end(self, response: Any, *, run_id: UUID, **_: Any) -> None:
        """The model answered."""
        _model_ended(run_id, response, None)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, response: Any = None, **_: Any) -> None:
        """It failed, or its reader left; what came until then is in `response`."""
        _model_ended(run_id, response, error)


def _chain(
    serialized: Mapping[str, Any] | None,
    tags: Any,
    metadata: Mapping[str, Any],
    more: Mapping[str, Any],
    parent: Step | None,
) -> tuple[str, str, dict[str, Value]] | None:
    """Operation, name and facts of what has a span: a graph, a node, an agent, a root; None for what is in between."""
    if _HIDDEN in tags:
        return None
    name = str(more.get("name") or _class_name(serialized))
    if _is_node(name, tags, metadata, parent):
        return semconv.TASK, name, {}
    frame = FRAME.get()
    if frame is not None and frame.is_for("chain"):
        operation, agent, facts = described(frame.owner, name)
        return operation, agent, {**facts, **_conversation(metadata)}
    if name == "AgentExecutor":
        return semconv.INVOKE_AGENT, name, _conversation(metadata)
    if parent is None and more.get("run_type") not in {"prompt", "parser"}:
        return semconv.INVOKE_WORKFLOW, name, _conversation(metadata)
    return None


def _is_node(name: str, tags: Any, metadata: Mapping[str, Any], parent: Step | None) -> bool:
    """A node says so; a task of the functional way is what runs under its own name in a place that is new."""
    if any(tag.startswith("graph:step:") for tag in tags):
        return True
    if parent is None or name != metadata.get("langgraph_node"):
        return False
    return parent.place not in {None, metadata.get("langgraph_checkpoint_ns")}


def _span_name(operation: str, name: str) -> str | None:
    return name or operation if operation == semconv.TASK else None


def _class_name(serialized: Mapping[str, Any] | None) -> str:
    """How LangChain called what runs, before it gave names."""
    told = serialized or {}
    path = told.get("id")
    return str(told.get("name") or (path[-1] if path else ""))


def _conversation(metadata: Mapping[str, Any]) -> dict[str, Value]:
    thread = thread_of(metadata)
    return {} if thread is None else {semconv.CONVERSATION_ID: thread}


def _opened(kind: str, operation: str, name: str, facts: Mapping[str, Value], parent_run_id: UUID | None) -> Step:
    context, anchor = steps.above(parent_run_id)
    run = Run(operation, name, facts, parent=context)
    return Step(kind, context, anchor, run=run if run.is_open else None)


def _failed(run_id: UUID, error: BaseException) -> None:
    step = steps.take(run_id)
    if step is not None:
        step.end(None if _is_control_flow(error) else error)


def _is_control_flow(error: BaseException) -> bool:
    """An interrupt, or a command for the graph above, raised through the node: langgraph's way to say so."""
    return any(kind.__name__ == "GraphBubbleUp" for kind in type(error).__mro__)


def _model_started(
    operation: str, serialized: Mapping[str, Any] | None, sent: list[Any], run_id: UUID, more: Mapping[str, Any]
) -> None:
    if emit.active() is None or run_id in steps:
        return
    with safely("seeing a model start"):
        context, anchor = steps.above(more.get("parent_run_id"))
        facts = _conversation(more.get("metadata") or {})
        model = ModelCall("", operation, Request(), attributes=facts, parent=context)
        step = Step("model", context, anchor, model=model)
        step.held = readings.Asked(serialized, list(sent), more)
        steps.add(run_id, step)


def _model_ended(run_id: UUID, response: Any, error: BaseException | None) -> None:
    step = steps.take(run_id)
    if step is None or step.model is None:
        return
    model = step.model
    if model.is_seen_below:
        model.end()
        return
    asked: readings.Asked = step.held
    with safely("reading a model call"):
        asked.fill(model.call)

    def read(call: Call) -> None:
        asked.fill_content(call)
        readings.answer(call, response, run_id)

    ending: Ending | None = None
    if isinstance(error, GeneratorExit):
        error, ending = None, "closed"
    elif type(error).__name__ == "CancelledError":
        ending = "cancelled"
    model.end(read, error=error, ending=ending)
