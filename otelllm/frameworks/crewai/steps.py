"""Crews, flows, agents, tools and searches as runs, each around the method that does the work."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import partial, wraps
from importlib import import_module
from typing import Any

from opentelemetry.context import create_key, get_value, set_value

from ... import emit, method_runs, semconv
from ...call import Part, Value
from ...enclosing import apart
from ...fields import field
from ...method_runs import MethodRun
from ...parts import arguments_of, as_list, plain_data, text
from ...runs import Run
from ...safely import safely
from ...wrapping import Observation
from .models import MODEL_OPEN

__all__ = [
    "begin_agent", "begin_agent_task", "begin_crew", "begin_flow", "begin_kickoff", "begin_query", "begin_recall",
    "begin_resumed_flow", "begin_tool", "in_context", "observed", "with_call_id",
]  # fmt: skip

Arguments = tuple[Any, ...]
Named = dict[str, Any]
Begin = Callable[[Any, Arguments, Named], Observation | None]
Read = Callable[[Run, Any], None]

_SAME = create_key("otelllm-crewai-step")
"""What the nearest step is of: its method may call itself (a retry, a class's way to its base's), and is that one."""
_call_id: ContextVar[str | None] = ContextVar("otelllm-crewai-call-id", default=None)


class _Step(MethodRun):
    """A run around one of CrewAI's methods."""

    __slots__ = ()

    def __init__(self, run: Run, same: object, read: Read | None = None) -> None:
        run.context = set_value(_SAME, same, run.context)
        super().__init__(run, read)

    @contextmanager
    def current(self) -> Iterator[None]:
        """What runs below is the step's, and of no model call or tool call that it may itself be in."""
        model, call = MODEL_OPEN.set(None), _call_id.set(None)
        try:
            with apart(), self.run.current():
                yield
        finally:
            _call_id.reset(call)
            MODEL_OPEN.reset(model)


def observed(begin: Begin) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Makes of a method one whose calls `begin(self, args, kwargs)` sees; `args` has `self` in front."""
    return method_runs.observed(lambda args, kwargs: begin(args[0], args, kwargs) if args else None)


def _argument(args: Arguments, kwargs: Named, place: int, name: str) -> Any:
    return kwargs[name] if name in kwargs else args[place] if len(args) > place else None


def _restores(kwargs: Named) -> bool:
    """Whether a restored copy runs in its place, by the same method."""
    return getattr(kwargs.get("from_checkpoint"), "restore_from", None) is not None


def _write(run: Run, name: str, role: str, said: Any) -> None:
    if run.content is not None and said not in (None, "", {}):
        known = said if isinstance(said, str) else plain_data(said)
        part = text(known) if isinstance(known, str) else {"type": "json", "content": known}
        run.content.write(name, [{"role": role, "parts": [part]}])


def _read_output(run: Run, result: Any) -> None:
    raw = getattr(result, "raw", result)
    _write(run, semconv.OUTPUT_MESSAGES, "assistant", raw if isinstance(raw, str | dict) else None)


def begin_crew(crew: Any, args: Arguments, kwargs: Named) -> Observation | None:
    """A crew's work. One that streams is kicked off once more, without the stream, when its reader begins."""
    if getattr(crew, "stream", False) or _restores(kwargs):
        return None
    run = Run(semconv.INVOKE_WORKFLOW, str(getattr(crew, "name", None) or "crew"))
    _write(run, semconv.INPUT_MESSAGES, "user", _argument(args, kwargs, 1, "inputs"))
    return _Step(run, crew, _read_output)


def begin_flow(flow: Any, args: Arguments, kwargs: Named) -> Observation | None:
    """A flow of the app's: CrewAI's agents and its memory are flows inside, which are no steps of their own."""
    if getattr(flow, "stream", False) or _restores(kwargs) or getattr(flow, "is_crewai_internal", False):
        return None
    step = begin_resumed_flow(flow, args, kwargs)
    _write(step.run, semconv.INPUT_MESSAGES, "user", _argument(args, kwargs, 1, "inputs"))
    return step


def begin_resumed_flow(flow: Any, args: Arguments, kwargs: Named) -> _Step:
    """A flow that goes on after a person answered."""
    run = Run(semconv.INVOKE_WORKFLOW, str(getattr(flow, "name", None) or type(flow).__name__))
    return _Step(run, flow, _read_output)


def _agent(agent: Any, asked: Any, same: tuple[Any, Any]) -> _Step | None:
    nearest = get_value(_SAME)
    if isinstance(nearest, tuple) and all(one is other for one, other in zip(nearest, same, strict=True)):
        return None
    facts: dict[str, Value] = {}
    if (known := getattr(agent, "id", None)) is not None:
        facts[semconv.AGENT_ID] = str(known)
    if isinstance(goal := getattr(agent, "goal", None), str) and goal:
        facts[semconv.AGENT_DESCRIPTION] = goal.strip()
    run = Run(semconv.INVOKE_AGENT, str(getattr(agent, "role", "") or "").strip(), facts)
    _write(run, semconv.INPUT_MESSAGES, "user", asked)
    return _Step(run, same, _read_output)


def begin_agent_task(agent: Any, args: Arguments, kwargs: Named) -> Observation | None:
    """An agent at a task of its crew's; where it tries again, it is the same run."""
    task = _argument(args, kwargs, 1, "task")
    return _agent(agent, getattr(task, "description", None), (agent, task))


def begin_agent(agent: Any, args: Arguments, kwargs: Named) -> Observation | None:
    """An agent alone."""
    if _restores(kwargs):
        return None
    return _agent(agent, _asked(args, kwargs), (agent, None))


def begin_kickoff(agent: Any, args: Arguments, kwargs: Named) -> Observation | None:
    """The sync way; in an event loop it is `kickoff_async`, whose coroutine the app awaits."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return begin_agent(agent, args, kwargs)
    return None


def _asked(args: Arguments, kwargs: Named) -> Any:
    """The last that a user said, or all where that can't be told."""
    messages = _argument(args, kwargs, 1, "messages")
    said = [one for one in as_list(messages) if field(one, "role") == "user"]
    return field(said[-1], "content") if said else messages if isinstance(messages, str) else None


def begin_tool(tool: Any, args: Arguments, kwargs: Named) -> Observation | None:
    """A tool's work; nothing is seen of an answer out of CrewAI's cache, as nothing runs."""
    if get_value(_SAME) is tool:
        return None
    name = str(getattr(tool, "name", "") or type(tool).__name__)
    with safely("naming a CrewAI tool"):  # as the model knows it
        name = str(import_module("crewai.utilities.string_utils").sanitize_tool_name(name))
    facts: dict[str, Value] = {semconv.TOOL_TYPE: "function"}
    if call_id := _call_id.get():
        facts[semconv.TOOL_CALL_ID] = call_id
    run = Run(semconv.EXECUTE_TOOL, name, facts)
    if run.content is not None:
        given = kwargs.get("input", args[1] if len(args) > 1 else None) if _is_structured(tool) else kwargs or args[1:]
        run.content.write(semconv.TOOL_CALL_ARGUMENTS, arguments_of(given))
    return _Step(run, tool, _read_tool)


class _InContext:
    """A tool whose function runs in the context in which it is asked for."""

    __slots__ = ("_tool", "func")

    def __init__(self, tool: Any) -> None:
        self._tool = tool
        self.func = tool.func if inspect.iscoroutinefunction(tool.func) else partial(copy_context().run, tool.func)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tool, name)


def in_context(original: Callable[..., Any]) -> Callable[..., Any]:
    """`ainvoke` gives a plain function to a thread without its context: what it calls would be below nothing."""

    @wraps(original)
    async def ainvoke(self: Any, *args: Any, **kwargs: Any) -> Any:
        there = self
        if emit.active() is not None:
            with safely("keeping a CrewAI tool's context"):
                there = _InContext(self)
        return await original(there, *args, **kwargs)

    return ainvoke


def _is_structured(tool: Any) -> bool:
    return type(tool).__name__ == "CrewStructuredTool"


def _read_tool(run: Run, result: Any) -> None:
    if type(result).__name__ == "ToolFailure":
        run.found[semconv.ERROR_TYPE] = "tool_error"
    if run.content is not None:
        run.content.write(semconv.TOOL_CALL_RESULT, result if isinstance(result, str) else plain_data(result))


def with_call_id(original: Callable[..., Any]) -> Callable[..., Any]:
    """The one place that knows which call of the model's a tool answers."""

    @wraps(original)
    def execute(self: Any, tool_call: Any, *args: Any, **kwargs: Any) -> Any:
        known = None
        if emit.active() is not None:
            with safely("reading a tool call's id"):
                known = field(tool_call, "id")
        token = _call_id.set(known if isinstance(known, str) and known else None)
        try:
            return original(self, tool_call, *args, **kwargs)
        finally:
            _call_id.reset(token)

    return execute


def begin_query(knowledge: Any, args: Arguments, kwargs: Named) -> Observation | None:
    """A search in a crew's or an agent's knowledge."""
    asked = _argument(args, kwargs, 1, "query")
    queries = [one for one in as_list(asked) if isinstance(one, str)]
    limit = _argument(args, kwargs, 2, "results_limit")
    # CrewAI gives the name to the storage only.
    told = (getattr(one, "collection_name", None) for one in (knowledge, getattr(knowledge, "storage", None)))
    return _retrieval(str(next(filter(None, told), "knowledge")), "\n".join(queries), limit, knowledge)


def begin_recall(memory: Any, args: Arguments, kwargs: Named) -> Observation | None:
    """What an agent remembers."""
    asked = _argument(args, kwargs, 1, "query")
    return _retrieval("memory", asked if isinstance(asked, str) else "", kwargs.get("limit"), memory)


def _retrieval(name: str, query: str, limit: Any, same: object) -> _Step:
    facts: dict[str, Value] = {semconv.RETRIEVAL_TOP_K: limit} if isinstance(limit, int) else {}
    run = Run(semconv.RETRIEVAL, name, facts)
    if run.content is not None and query:
        run.content.write_text(semconv.RETRIEVAL_QUERY, query)
    return _Step(run, same, _read_documents)


def _read_documents(run: Run, result: Any) -> None:
    found = as_list(result)
    run.found[semconv.RETRIEVAL_COUNT] = len(found)
    if run.content is not None:
        run.content.write(semconv.RETRIEVAL_DOCUMENTS, [_document(one) for one in found])


def _document(one: Any) -> Part:
    """A search's result is a dict; a memory's match is a record and its score."""
    record = field(one, "record") or one
    made: Part = {"id": str(known)} if (known := field(record, "id")) is not None else {}
    if isinstance(score := field(one, "score"), int | float):
        made["score"] = float(score)
    if isinstance(content := field(record, "content"), str):
        made["content"] = content
    return made
