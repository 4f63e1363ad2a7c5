"""Libraries of which only some names are known: OpenLIT, AgentOps, Haystack, Laminar and Gemini CLI's spans."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from otelllm import semconv

from .haystack import read_component
from .messages import messages
from .spec import Foreign
from .tags import labels
from .values import count, flag, number, parsed, text

__all__ = ["VOCABULARY"]

_Reader = Callable[[Any], Any]


class _Library(NamedTuple):
    scopes: tuple[str, ...]
    """How its scopes begin."""
    markers: frozenset[str]
    """One of these on a span, and it is its."""
    kind: str
    """The attribute that says what a span is."""
    kinds: Mapping[str, str]
    """Its values, in lower case, as operations."""
    names: tuple[tuple[str, _Reader, tuple[str, ...]], ...]
    """A name of the conventions', how a value is read, and where: the first that says something."""
    tags: tuple[tuple[str, str], ...] = ()
    """How free attributes begin, and how their tags do."""


_COSTS = (
    (semconv.COST, number, ("gen_ai.usage.cost", "gen_ai.usage.total_cost")),
    (semconv.COST_INPUT, number, ("gen_ai.usage.input_cost",)),
    (semconv.COST_OUTPUT, number, ("gen_ai.usage.output_cost",)),
)

_OPENLIT = _Library(
    ("openlit",),
    frozenset({"gen_ai.application_name", "gen_ai.environment", "gen_ai.endpoint"}),
    semconv.OPERATION,
    {
        "image": semconv.IMAGE_GENERATION,
        **dict.fromkeys(("audio", "text_to_speech"), semconv.SPEECH),
        **dict.fromkeys(("speech_to_text", "speech_to_text_translate"), semconv.TRANSCRIPTION),
        **dict.fromkeys(("framework", "graph_execution", "workflow"), semconv.INVOKE_WORKFLOW),
        "retrieve": semconv.RETRIEVAL,
        **dict.fromkeys(("execute_task", "model_request", "tool_coordination"), semconv.TASK),
    },
    (
        *_COSTS,
        (semconv.TTFT, number, ("gen_ai.server.time_to_first_token", "gen_ai.server.ttft")),
        (semconv.REQUEST_STREAM, flag, ("gen_ai.request.is_stream",)),
        (semconv.USER_ID, text, ("gen_ai.request.user",)),
        (semconv.SESSION_ID, text, ("gen_ai.session.id",)),
        (semconv.CONVERSATION_ID, text, ("gen_ai.session.id",)),
        (semconv.RETRIEVAL_QUERY, text, ("gen_ai.retrieval.query",)),
        (semconv.RETRIEVAL_COUNT, count, ("gen_ai.retrieval.document_count",)),
        (semconv.TOOL_CALL_ARGUMENTS, parsed, ("gen_ai.tool.input", "gen_ai.tool.args")),
        (semconv.TOOL_CALL_RESULT, parsed, ("gen_ai.tool.output",)),
    ),
    (("gen_ai.application_name", "gen_ai.application_name"), ("gen_ai.environment", "gen_ai.environment")),
)

_AGENTOPS_STEPS = ("task", "operation", "chain", "text", "http", "unknown", "workflow.step")
_AGENTOPS = _Library(
    ("agentops",),
    frozenset({"agentops.span.kind", "agentops.entity.name", "agentops.entity.input", "agentops.entity.output"}),
    "agentops.span.kind",
    {
        **dict.fromkeys(("llm", "llm.call"), semconv.CHAT),
        **dict.fromkeys(("agent", "agent.action", "agent.decision", "agent.thinking"), semconv.INVOKE_AGENT),
        "tool": semconv.EXECUTE_TOOL,
        **dict.fromkeys(("workflow", "session"), semconv.INVOKE_WORKFLOW),
        "guardrail": "guardrail",
        **dict.fromkeys(_AGENTOPS_STEPS, semconv.TASK),
    },
    (
        *_COSTS,
        (semconv.TTFT, number, ("gen_ai.streaming.time_to_first_token",)),
        (semconv.REQUEST_STREAM, flag, ("gen_ai.request.streaming",)),
        (semconv.USER_ID, text, ("gen_ai.user",)),
        (semconv.CONVERSATION_ID, text, (semconv.SESSION_ID,)),
        (semconv.AGENT_NAME, text, ("agent.name",)),
        (semconv.TOOL_NAME, text, ("tool.name",)),
        (semconv.TOOL_CALL_ARGUMENTS, parsed, ("tool.parameters", "agentops.tool.input")),
        (semconv.TOOL_CALL_RESULT, parsed, ("tool.result", "agentops.tool.output")),
        ("labels", parsed, ("agentops.tags",)),
        ("name", text, ("agentops.entity.name",)),
        ("input", parsed, ("agentops.entity.input",)),
        ("output", parsed, ("agentops.entity.output",)),
    ),
)

_LAMINAR = _Library(
    ("lmnr",),
    frozenset({"lmnr.span.type", "lmnr.span.input", "lmnr.span.output", "lmnr.span.path", "lmnr.span.ids_path"}),
    "lmnr.span.type",
    {
        "llm": semconv.CHAT,
        "tool": semconv.EXECUTE_TOOL,
        "evaluator": "evaluate",
        **dict.fromkeys(
            ("default", "pipeline", "executor", "evaluation", "human_evaluator", "event", "cached"), semconv.TASK
        ),
    },
    (
        *_COSTS,
        (semconv.USER_ID, text, ("lmnr.association.properties.user_id",)),
        (semconv.SESSION_ID, text, ("lmnr.association.properties.session_id",)),
        (semconv.CONVERSATION_ID, text, ("lmnr.association.properties.session_id",)),
        ("labels", parsed, ("lmnr.association.properties.tags", "lmnr.span.tags")),
        ("input", parsed, ("lmnr.span.input",)),
        ("output", parsed, ("lmnr.span.output",)),
    ),
    (("lmnr.association.properties.metadata.", ""),),
)

_GEMINI_CLI = _Library(
    ("gemini-cli", "gemini_cli"),
    frozenset(),
    semconv.OPERATION,
    {
        "llm_call": semconv.CHAT,
        "tool_call": semconv.EXECUTE_TOOL,
        "agent_call": semconv.INVOKE_AGENT,
        **dict.fromkeys(("system_prompt", "user_prompt", "schedule_tool_calls"), semconv.TASK),
    },
    ((semconv.CONVERSATION_ID, text, (semconv.SESSION_ID,)),),
)

_HAYSTACK = _Library(
    ("haystack",),
    frozenset({"haystack.component.type", "haystack.pipeline.input_data", "haystack.tool.name"}),
    "",
    {},
    (
        (semconv.TOOL_NAME, text, ("haystack.tool.name",)),
        (semconv.TOOL_CALL_ARGUMENTS, parsed, ("haystack.agent.step.tool.input",)),
        (semconv.TOOL_CALL_RESULT, parsed, ("haystack.agent.step.tool.output",)),
    ),
)
"""What its components do is in `haystack.py`."""

_LIBRARIES = (_OPENLIT, _AGENTOPS, _LAMINAR, _GEMINI_CLI, _HAYSTACK)
_SCOPES = tuple(scope for library in _LIBRARIES for scope in library.scopes)
_MARKERS = frozenset(marker for library in _LIBRARIES for marker in library.markers)

_NAMED_BY = {
    semconv.EXECUTE_TOOL: semconv.TOOL_NAME,
    semconv.INVOKE_AGENT: semconv.AGENT_NAME,
    semconv.INVOKE_WORKFLOW: semconv.WORKFLOW_NAME,
}


class Others:
    """The rest, as one table: what each says about a name is used where nobody else says it."""

    name = "others"
    rank = 95
    beats_native: Collection[str] = frozenset({semconv.OPERATION})

    def knows(self, scope: str, keys: Collection[str]) -> bool:
        """By one's scope, or by a name of one's own."""
        return scope.startswith(_SCOPES) or not _MARKERS.isdisjoint(keys)

    def read(self, span: Foreign) -> Mapping[str, Any]:
        """What every library says whose span it may be."""
        found: dict[str, Any] = {}
        for library in _LIBRARIES:
            if span.scope.startswith(library.scopes) or not library.markers.isdisjoint(span.attributes):
                found.update(_read(library, span))
        if semconv.COST in found:
            found[semconv.COST_STATUS] = "reported"
        return found


def _read(library: _Library, span: Foreign) -> dict[str, Any]:
    attributes = span.attributes
    found: dict[str, Any] = {}
    for name, read, keys in library.names:
        for key in keys:
            if key in attributes and (made := read(attributes[key])) is not None:
                found[name] = made
                break
    if library is _HAYSTACK:
        found.update(read_component(span))
    operation = library.kinds.get((text(attributes.get(library.kind)) or "").lower())
    if operation is not None:
        found[semconv.OPERATION] = operation
    _place(found, text(attributes.get(semconv.OPERATION)) if operation is None else operation)
    for begin, instead in library.tags:
        for key, value in attributes.items():
            if key.startswith(begin) and value is not None:
                found[semconv.TAG + instead + key[len(begin) :]] = value
    return found


def _place(found: dict[str, Any], operation: str | None) -> None:
    """A step's name, input and output are a tool's, an agent's or a call's: by what the step is."""
    name, given, made = found.pop("name", None), found.pop("input", None), found.pop("output", None)
    found.update(labels(found.pop("labels", None)))
    if name is not None and operation in _NAMED_BY:
        found.setdefault(_NAMED_BY[operation], name)
    if operation == semconv.EXECUTE_TOOL:
        pairs = ((semconv.TOOL_CALL_ARGUMENTS, given), (semconv.TOOL_CALL_RESULT, made))
    else:
        pairs = ((semconv.INPUT_MESSAGES, messages(given)), (semconv.OUTPUT_MESSAGES, messages(made, "assistant")))
    for key, value in pairs:
        if value is not None:
            found.setdefault(key, value)


VOCABULARY = Others()
