"""OpenInference, the vocabulary of Arize and Phoenix: https://github.com/Arize-ai/openinference/tree/main/spec

Messages, tools and documents are flattened, an attribute a leaf: `leaves` puts them together, `messages` reads them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from otelllm import semconv

from ..bodies import read_usage, settings, told
from ..documents import question
from ..judgements import EVALUATE
from ..messages import message, tool_call
from ..spec import Foreign
from ..tags import labels
from ..values import count, finish, flag, items, number, parsed, provider, raised, text
from . import leaves
from .judged import read_judgements
from .leaves import Groups, gathered, listed
from .messages import answers, found_documents, is_said, prompts, questions, tools, whole

__all__ = ["VOCABULARY"]

_KIND = "openinference.span.kind"
_JUDGED = tuple(f"{of}." for of in leaves.JUDGED)
_OPERATIONS = {
    "LLM": semconv.CHAT,
    "EMBEDDING": semconv.EMBEDDINGS,
    "RETRIEVER": semconv.RETRIEVAL,
    "RERANKER": semconv.RERANK,
    "TOOL": semconv.EXECUTE_TOOL,
    "AGENT": semconv.INVOKE_AGENT,
    "GUARDRAIL": "guardrail",
    "EVALUATOR": EVALUATE,
}
"""Of the kind, which some write in small letters; chains, prompts, decisions and what is new are plain steps."""

_PROMPT_TOKENS = "llm.token_count.prompt"
_COUNTS = {
    _PROMPT_TOKENS: semconv.USAGE_INPUT,
    "llm.token_count.completion": semconv.USAGE_OUTPUT,
    "llm.token_count.prompt_details.cache_read": semconv.USAGE_CACHE_READ,
    "llm.token_count.prompt_details.cache_write": semconv.USAGE_CACHE_WRITE,
    "llm.token_count.completion_details.reasoning": semconv.USAGE_REASONING,
    "llm.token_count.prompt_details.audio": semconv.USAGE_AUDIO_INPUT,
    "llm.token_count.completion_details.audio": semconv.USAGE_AUDIO_OUTPUT,
}
_OLDER_CACHE_READ = "llm.token_count.prompt_details.cache_input"
_COSTS = {
    "llm.cost.total": semconv.COST,
    "llm.cost.prompt": semconv.COST_INPUT,
    "llm.cost.completion": semconv.COST_OUTPUT,
}
_SPEAKING = frozenset({semconv.CHAT, semconv.TEXT_COMPLETION, semconv.GENERATE_CONTENT})
_CALLS = _SPEAKING | {semconv.EMBEDDINGS, semconv.RERANK}
_FIRST = frozenset({"First Token Stream Event", "first_token"})
_MARKERS = frozenset({_KIND, "llm.model_name", _PROMPT_TOKENS, "embedding.model_name", "reranker.model_name"})
_VERSION, _VARIABLES = "llm.prompt_template.version", "llm.prompt_template.variables"
_BESIDE = frozenset({"agent.name", semconv.SESSION_ID, "graph.node.id", "tag.tags", "metadata"})
_CACHED_SETTINGS = 4096
"""Settings whose text is longer are read each time."""


class OpenInference:
    """Where both are on a span, its own names know more: the conventions' are made of them, without reasoning, with the
    model that answered as the one that was asked for, and without the kinds that have no operation.
    """

    name = "openinference"
    rank = 20
    beats_native: Collection[str] = frozenset(
        {
            *(semconv.OPERATION, semconv.REQUEST_MODEL, semconv.RESPONSE_MODEL, semconv.USAGE_REASONING),
            *(semconv.CONVERSATION_ID,),
        }
    )

    def knows(self, scope: str, keys: Collection[str]) -> bool:
        """A kind makes it certain; of those without one a model or tokens."""
        return not _MARKERS.isdisjoint(keys) or any(key.startswith(_JUDGED) for key in keys)

    def read(self, span: Foreign) -> Mapping[str, Any]:
        """Whatever the kind of the span has; of chains no messages, which would be parts of their calls'."""
        groups = gathered(span.attributes)
        if _MARKERS.isdisjoint(span.attributes):  # a span of another library's that somebody has judged
            said = read_judgements(span, groups, is_evaluator=False)
            return {} if said is None else {semconv.EVENT_EVALUATION: said}
        operation = _operation(span, groups)
        made: dict[str, Any] = {semconv.OPERATION: operation}
        if operation in _CALLS:
            _read_call(made, span, operation, groups)
        else:
            _read_step(made, span, operation, groups)
        if not _BESIDE.isdisjoint(span.attributes):
            _read_beside(made, span.attributes)
        if span.is_error:
            made[semconv.ERROR_TYPE] = raised(span.events)
        if operation == EVALUATE or not groups.keys().isdisjoint(leaves.JUDGED):
            made[semconv.EVENT_EVALUATION] = read_judgements(span, groups, is_evaluator=operation == EVALUATE)
        return {name: value for name, value in made.items() if value is not None}


def _operation(span: Foreign, groups: Groups) -> str:
    attributes = span.attributes
    kind = text(attributes.get(_KIND))
    if kind is None:
        native = text(attributes.get(semconv.OPERATION))
        return native or (semconv.EMBEDDINGS if "embedding.model_name" in attributes else semconv.CHAT)
    kind = kind.strip().upper()
    if kind == "LLM" and (leaves.PROMPTS in groups or leaves.CHOICES in groups) and leaves.INPUT not in groups:
        return semconv.TEXT_COMPLETION
    if kind == "CHAIN" and span.is_root:
        return semconv.INVOKE_WORKFLOW
    return _OPERATIONS.get(kind, semconv.TASK)


class _Asked(NamedTuple):
    """What `llm.invocation_parameters` say."""

    settings: tuple[tuple[str, Any], ...] = ()
    model: str | None = None
    is_stream: bool = False


def _asked(given: Any) -> _Asked:
    if given is None:
        return _Asked()
    return _known_asked(given) if isinstance(given, str) and len(given) < _CACHED_SETTINGS else _read_asked(given)


def _read_asked(given: Any) -> _Asked:
    asked = parsed(given)
    if not isinstance(asked, Mapping):
        return _Asked()
    return _Asked(tuple(settings(asked)), text(asked.get("model")), flag(asked.get("stream")) is True)


_known_asked = lru_cache(maxsize=256)(_read_asked)
"""An app asks with the same few settings all day."""


def _read_call(made: dict[str, Any], span: Foreign, operation: str, groups: Groups) -> None:
    attributes = span.attributes
    asked = _asked(attributes.get("llm.invocation_parameters", attributes.get("embedding.invocation_parameters")))
    made.update(asked.settings)
    made[semconv.PROVIDER] = _provider(attributes)
    if operation == semconv.RERANK:
        made[semconv.REQUEST_MODEL] = text(attributes.get("reranker.model_name"))
    else:
        _read_models(made, span, operation, asked.model)
    if "llm.finish_reason" in attributes:
        made[semconv.RESPONSE_FINISH_REASONS] = finish(attributes["llm.finish_reason"])
    _read_usage(made, attributes)
    _read_costs(made, attributes)
    _read_answer(made, attributes, operation)
    first = next((event["time_ns"] for event in span.events if event["name"] in _FIRST), None)
    if first is not None or asked.is_stream:
        made[semconv.REQUEST_STREAM] = True
    if first is not None and span.start_ns <= first <= span.end_ns:
        made[semconv.TTFT] = (first - span.start_ns) / 1e9
    if operation == semconv.EMBEDDINGS:
        _read_embedded(made, groups)
    elif operation == semconv.RERANK:
        _read_ranked(made, attributes, groups)
    else:
        _read_prompt(made, attributes)
        _read_said(made, attributes, groups)


def _provider(attributes: Mapping[str, Any]) -> str | None:
    """The provider; "azure" serves OpenAI's models and others', "google" two of its own kinds."""
    by, system = provider(attributes.get("llm.provider")), attributes.get("llm.system")
    if by not in ("gcp.gemini", "azure.ai.openai"):
        return by or provider(system)
    maker = provider(system)
    if by == "gcp.gemini":
        return "gcp.vertex_ai" if maker == "gcp.vertex_ai" else by
    return by if maker in (None, "openai", by) else "azure.ai.inference"


def _read_models(made: dict[str, Any], span: Foreign, operation: str, asked: str | None) -> None:
    """`llm.model_name` is the model that answered, where it is known what was asked for besides, and it did answer."""
    attributes = span.attributes
    given = text(attributes.get("llm.request.model_name")) or asked
    named = text(attributes.get("llm.model_name")) or text(attributes.get("embedding.model_name"))
    made[semconv.REQUEST_MODEL] = given or named
    answered = text(attributes.get("llm.response.model_name"))
    if answered is None and given is not None and not span.is_error:
        answered = named
    made[semconv.RESPONSE_MODEL] = answered if operation != semconv.EMBEDDINGS or answered != given else None


def _read_usage(made: dict[str, Any], attributes: Mapping[str, Any]) -> None:
    """Tokens, of which the prompt's include the cached ones; where that can't be, somebody has left them out."""
    for key in _COUNTS.keys() & attributes.keys():
        made[_COUNTS[key]] = count(attributes[key])
    if made.get(semconv.USAGE_CACHE_READ) is None and _OLDER_CACHE_READ in attributes:
        made[semconv.USAGE_CACHE_READ] = count(attributes[_OLDER_CACHE_READ])
    given = made.get(semconv.USAGE_INPUT)
    cached = (made.get(semconv.USAGE_CACHE_READ) or 0) + (made.get(semconv.USAGE_CACHE_WRITE) or 0)
    if given is not None and given < cached:
        made[semconv.USAGE_INPUT] = given + cached


def _read_costs(made: dict[str, Any], attributes: Mapping[str, Any]) -> None:
    """What somebody has priced the call at."""
    present = _COSTS.keys() & attributes.keys()
    if not present:
        return
    costs = {_COSTS[key]: cost for key in present if (cost := number(attributes[key])) is not None and cost >= 0}
    if semconv.COST not in costs and len(costs) == len(_COSTS) - 1:
        costs[semconv.COST] = sum(costs.values())
    if semconv.COST in costs:
        made.update(costs)
        made[semconv.COST_STATUS] = "reported"


def _read_answer(made: dict[str, Any], attributes: Mapping[str, Any], operation: str) -> None:
    """What only the provider's whole answer says: its id, and what the span's own attributes lack."""
    value = attributes.get("output.value")
    if not isinstance(value, str) or not value.startswith("{"):
        return
    lacks_usage = _PROMPT_TOKENS not in attributes
    lacks_model = operation in _SPEAKING and made.get(semconv.RESPONSE_MODEL) is None
    if not (lacks_usage or lacks_model) and (operation not in _SPEAKING or _read_id(made, value)):
        return
    try:
        answer = orjson.loads(value)
    except orjson.JSONDecodeError:
        return
    made[semconv.RESPONSE_ID] = text(answer.get("id"))
    if lacks_usage:
        made.update(read_usage(answer.get("usage")))
    if lacks_model:
        made[semconv.RESPONSE_MODEL] = text(answer.get("model"))


def _read_id(made: dict[str, Any], answer: str) -> bool:
    """The id where the answer begins with it, as most do: the rest, of any length, need not be read."""
    if not answer.startswith(('{"id":"', '{"id": "')):
        return False
    begin = answer.index('"', 5) + 1
    id_ = answer[begin : answer.find('"', begin)]
    if "\\" in id_:
        return False
    made[semconv.RESPONSE_ID] = text(id_)
    return True


def _read_prompt(made: dict[str, Any], attributes: Mapping[str, Any]) -> None:
    """The template of the prompt, which stands on every span within `using_attributes`, and is the call's."""
    if "prompt.id" in attributes:
        made[semconv.PROMPT_NAME] = text(attributes["prompt.id"])
    version = attributes.get(_VERSION)
    if isinstance(version, int | float) and not isinstance(version, bool):
        version = str(version)
    made[semconv.PROMPT_VERSION] = text(version)
    if _VARIABLES in attributes:
        variables = parsed(attributes[_VARIABLES])
        if isinstance(variables, Mapping):
            made.update((semconv.PROMPT_VARIABLE + str(name), value) for name, value in variables.items())


def _read_said(made: dict[str, Any], attributes: Mapping[str, Any], groups: Groups) -> None:
    if leaves.PROMPTS in groups or leaves.CHOICES in groups:
        made[semconv.INPUT_MESSAGES] = prompts(listed(groups, leaves.PROMPTS), "prompt.text", "user") or None
        completed = prompts(listed(groups, leaves.CHOICES), "completion.text", "assistant")
        made[semconv.OUTPUT_MESSAGES] = completed or None
        return
    asked, answered = questions(listed(groups, leaves.INPUT)), answers(listed(groups, leaves.OUTPUT))
    if not answered and "llm.function_call" in attributes:
        call = parsed(attributes["llm.function_call"])
        if isinstance(call, Mapping):
            answered = [message("assistant", [tool_call(call.get("name"), call.get("arguments"))])]
    made[semconv.INPUT_MESSAGES] = asked or whole(attributes, "input", "user")
    made[semconv.OUTPUT_MESSAGES] = answered or whole(attributes, "output", "assistant")
    if leaves.TOOLS in groups:
        made[semconv.TOOL_DEFINITIONS] = tools(listed(groups, leaves.TOOLS))


def _read_embedded(made: dict[str, Any], groups: Groups) -> None:
    embeddings = listed(groups, leaves.VECTORS)
    made[semconv.INPUT_MESSAGES] = prompts(embeddings, "embedding.text", "user") or None
    vector = next((one["embedding.vector"] for one in embeddings if "embedding.vector" in one), None)
    made[semconv.EMBEDDINGS_DIMENSIONS] = len(vector) if isinstance(vector, list) and vector else None


def _read_ranked(made: dict[str, Any], attributes: Mapping[str, Any], groups: Groups) -> None:
    ranked, query = listed(groups, leaves.RANKED_OUT), attributes.get("reranker.query")
    made[semconv.RETRIEVAL_QUERY] = query if is_said(query) else None
    made[semconv.RETRIEVAL_TOP_K] = count(attributes.get("reranker.top_k"))
    made[semconv.RERANK_IN] = len(groups.get(leaves.RANKED_IN, ())) or None
    made[semconv.RERANK_OUT] = len(ranked) or None
    made[semconv.RETRIEVAL_DOCUMENTS] = found_documents(ranked)


def _read_step(made: dict[str, Any], span: Foreign, operation: str, groups: Groups) -> None:
    given, answered = (
        value if is_said(value := span.attributes.get(key)) else None for key in ("input.value", "output.value")
    )
    if operation == semconv.EXECUTE_TOOL:
        _read_tool(made, span, given, answered)
    elif operation == semconv.RETRIEVAL:
        made[semconv.RETRIEVAL_QUERY] = question(given) or given
        found = made[semconv.RETRIEVAL_DOCUMENTS] = found_documents(listed(groups, leaves.DOCUMENTS))
        made[semconv.RETRIEVAL_COUNT] = None if found is None else len(found)
    elif operation in (semconv.INVOKE_AGENT, semconv.INVOKE_WORKFLOW):
        made[semconv.INPUT_MESSAGES] = told("user", given)
        made[semconv.OUTPUT_MESSAGES] = told("assistant", answered)
        if operation == semconv.INVOKE_WORKFLOW:
            made[semconv.WORKFLOW_NAME] = text(span.name)


def _read_tool(made: dict[str, Any], span: Foreign, given: Any, answered: Any) -> None:
    attributes, result = span.attributes, parsed(answered)
    id_ = text(attributes.get("tool_call.id")) or text(attributes.get("tool.id"))
    if id_ is None and isinstance(result, Mapping) and isinstance(inner := result.get("data"), Mapping):
        id_ = text(inner.get("tool_call_id"))  # a message of LangChain's
    made[semconv.TOOL_NAME] = text(attributes.get("tool.name")) or text(span.name)
    made[semconv.TOOL_DESCRIPTION] = text(attributes.get("tool.description"))
    made[semconv.TOOL_CALL_ID] = id_
    made[semconv.TOOL_CALL_ARGUMENTS] = parsed(attributes.get("tool.parameters") if given is None else given)
    made[semconv.TOOL_CALL_RESULT] = result


def _read_beside(made: dict[str, Any], attributes: Mapping[str, Any]) -> None:
    """What any span may have: an agent, a session, metadata and tags."""
    made[semconv.AGENT_NAME] = text(attributes.get("agent.name"))
    made[semconv.CONVERSATION_ID] = text(attributes.get(semconv.SESSION_ID))
    made[semconv.TAG + "graph.node.id"] = text(attributes.get("graph.node.id"))
    if "tag.tags" in attributes:
        made.update(labels(attributes["tag.tags"]))
    if "metadata" in attributes:
        for given in items(attributes["metadata"]):
            for name, value in given.items():
                if name == "feature" and text(value):
                    made[semconv.FEATURE] = value
                said = orjson.dumps(value).decode() if isinstance(value, list | dict) else value
                made[f"{semconv.TAG}{name}"] = said


VOCABULARY = OpenInference()
