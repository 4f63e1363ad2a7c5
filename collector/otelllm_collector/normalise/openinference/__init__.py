"""OpenInference, the vocabulary of Arize and Phoenix: https://github.com/Arize-ai/openinference/tree/main/spec

Messages, tools and documents are flattened, an attribute a leaf: one pass over the attributes puts them together.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from otelllm import semconv

from .bodies import read_usage, settings, told
from .messages import definitions, message, messages, part, role, says, tool_call, tool_result
from .spec import Foreign
from .tags import labels
from .values import count, finish, flag, grouped, items, number, parsed, provider, raised, text

__all__ = ["VOCABULARY"]

_KIND = "openinference.span.kind"
_OPERATIONS = {
    "LLM": semconv.CHAT,
    "EMBEDDING": semconv.EMBEDDINGS,
    "RETRIEVER": semconv.RETRIEVAL,
    "RERANKER": semconv.RERANK,
    "TOOL": semconv.EXECUTE_TOOL,
    "AGENT": semconv.INVOKE_AGENT,
    "GUARDRAIL": "guardrail",
    "EVALUATOR": "evaluate",
}
"""Of the kind, which some write in small letters; chains, prompts, decisions and what is new are plain steps."""

_INPUT, _OUTPUT = "llm.input_messages.", "llm.output_messages."
_PROMPTS, _CHOICES = "llm.prompts.", "llm.choices."
_TOOLS, _DOCUMENTS = "llm.tools.", "retrieval.documents."
_RANKED_IN, _RANKED_OUT, _VECTORS = "reranker.input_documents.", "reranker.output_documents.", "embedding.embeddings."
_FLATTENED = (_INPUT, _OUTPUT, _PROMPTS, _CHOICES, _TOOLS, _DOCUMENTS, _RANKED_IN, _RANKED_OUT, _VECTORS)

_COUNTS = {
    semconv.USAGE_INPUT: ("llm.token_count.prompt",),
    semconv.USAGE_OUTPUT: ("llm.token_count.completion",),
    semconv.USAGE_CACHE_READ: (
        "llm.token_count.prompt_details.cache_read",
        "llm.token_count.prompt_details.cache_input",
    ),
    semconv.USAGE_CACHE_WRITE: ("llm.token_count.prompt_details.cache_write",),
    semconv.USAGE_REASONING: ("llm.token_count.completion_details.reasoning",),
    semconv.USAGE_AUDIO_INPUT: ("llm.token_count.prompt_details.audio",),
    semconv.USAGE_AUDIO_OUTPUT: ("llm.token_count.completion_details.audio",),
}
_COSTS = {
    semconv.COST: "llm.cost.total",
    semconv.COST_INPUT: "llm.cost.prompt",
    semconv.COST_OUTPUT: "llm.cost.completion",
}
_CALLS = frozenset({semconv.CHAT, semconv.TEXT_COMPLETION, semconv.EMBEDDINGS, semconv.RERANK})
_REDACTED = "__REDACTED__"
_FIRST = frozenset({"First Token Stream Event", "first_token"})
_MARKERS = frozenset({_KIND, "llm.model_name", "llm.token_count.prompt", "embedding.model_name", "reranker.model_name"})
_TEMPLATE = "llm.prompt_template."

_Groups = Mapping[str, dict[int, dict[str, Any]]]
"""Prefix -> index -> the rest of the key -> value."""


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
        return not _MARKERS.isdisjoint(keys)

    def read(self, span: Foreign) -> Mapping[str, Any]:
        """Whatever the kind of the span has; of chains no messages, which would be parts of their calls'."""
        return {name: value for name, value in _read(span) if value is not None}


def _read(span: Foreign) -> Iterator[tuple[str, Any]]:
    attributes = span.attributes
    groups = _grouped(attributes)
    operation = _operation(span, groups)
    yield semconv.OPERATION, operation
    if operation in _CALLS:
        yield from _called(span, operation, groups)
    else:
        yield from _stepped(span, operation, groups)
    yield from _beside(attributes)
    if span.is_error:
        yield semconv.ERROR_TYPE, raised(span.events)


def _grouped(attributes: Mapping[str, Any]) -> _Groups:
    found: dict[str, dict[int, dict[str, Any]]] = {}
    for key, value in attributes.items():
        if not key.startswith(("llm.", "retrieval.", "reranker.", "embedding.")):
            continue
        for prefix in _FLATTENED:
            if key.startswith(prefix):
                index, _, rest = key[len(prefix) :].partition(".")
                if index.isdecimal() and len(index) < 7:
                    found.setdefault(prefix, {}).setdefault(int(index), {})[rest] = value
                break
    return found


def _listed(groups: _Groups, prefix: str) -> list[dict[str, Any]]:
    of = groups.get(prefix)
    return [of[index] for index in sorted(of)] if of else []


def _operation(span: Foreign, groups: _Groups) -> str:
    kind = text(span.attributes.get(_KIND))
    if kind is None:
        return semconv.EMBEDDINGS if "embedding.model_name" in span.attributes else semconv.CHAT
    kind = kind.strip().upper()
    if kind == "LLM" and (_PROMPTS in groups or _CHOICES in groups) and _INPUT not in groups:
        return semconv.TEXT_COMPLETION
    if kind == "CHAIN" and span.is_root:
        return semconv.INVOKE_WORKFLOW
    return _OPERATIONS.get(kind, semconv.TASK)


def _called(span: Foreign, operation: str, groups: _Groups) -> Iterator[tuple[str, Any]]:
    attributes = span.attributes
    asked = parsed(attributes.get("llm.invocation_parameters", attributes.get("embedding.invocation_parameters")))
    asked = asked if isinstance(asked, Mapping) else {}
    yield from settings(asked)
    yield semconv.PROVIDER, _provider(attributes)
    yield from _models(attributes, operation, asked)
    yield semconv.RESPONSE_FINISH_REASONS, finish(attributes.get("llm.finish_reason"))
    yield from _usage(attributes)
    first = next((event["time_ns"] for event in span.events if event["name"] in _FIRST), None)
    if first is not None or flag(asked.get("stream")):
        yield semconv.REQUEST_STREAM, True
    if first is not None and span.start_ns <= first <= span.end_ns:
        yield semconv.TTFT, (first - span.start_ns) / 1e9
    answer = parsed(attributes.get("output.value")) if _is_json(attributes, "output") else None
    if isinstance(answer, Mapping):
        yield semconv.RESPONSE_ID, text(answer.get("id"))
        if "llm.token_count.prompt" not in attributes and isinstance(answer.get("usage"), Mapping):
            yield from read_usage(answer["usage"]).items()
    if operation == semconv.EMBEDDINGS:
        yield from _embedded(groups)
    elif operation == semconv.RERANK:
        yield from _ranked(attributes, groups)
    else:
        yield from _said(attributes, groups)


def _provider(attributes: Mapping[str, Any]) -> str | None:
    """The provider; "azure" serves OpenAI's models, "google" two of its own kinds."""
    by, system = provider(attributes.get("llm.provider")), text(attributes.get("llm.system"))
    if by == "gcp.gemini" and system is not None and provider(system) == "gcp.vertex_ai":
        return "gcp.vertex_ai"
    return by or provider(system)


def _models(attributes: Mapping[str, Any], operation: str, asked: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """`llm.model_name` is the model that answered, where it is known what was asked for besides."""
    if operation == semconv.RERANK:
        yield semconv.REQUEST_MODEL, text(attributes.get("reranker.model_name"))
        return
    given = text(attributes.get("llm.request.model_name")) or text(asked.get("model"))
    named = text(attributes.get("llm.model_name")) or text(attributes.get("embedding.model_name"))
    yield semconv.REQUEST_MODEL, given or named
    answered = text(attributes.get("llm.response.model_name")) or (named if given is not None else None)
    yield semconv.RESPONSE_MODEL, answered if operation != semconv.EMBEDDINGS or answered != given else None


def _usage(attributes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Tokens, of which the prompt's include the cached ones; and what somebody has priced them at."""
    for name, keys in _COUNTS.items():
        for key in keys:
            if key in attributes:
                yield name, count(attributes[key])
                break
    if (cost := number(attributes.get("llm.cost.total"))) is not None:
        yield semconv.COST_STATUS, "reported"
        yield from ((name, number(attributes.get(key))) for name, key in _COSTS.items() if name != semconv.COST)
        yield semconv.COST, cost


def _said(attributes: Mapping[str, Any], groups: _Groups) -> Iterator[tuple[str, Any]]:
    if _PROMPTS in groups or _CHOICES in groups:
        prompts = [one.get("prompt.text") for one in _listed(groups, _PROMPTS)]
        choices = [one.get("completion.text") for one in _listed(groups, _CHOICES)]
        yield semconv.INPUT_MESSAGES, [message("user", [says(one)]) for one in prompts if _is_said(one)] or None
        yield semconv.OUTPUT_MESSAGES, [message("assistant", [says(one)]) for one in choices if _is_said(one)] or None
        return
    given = [_message(one, "user") for one in _listed(groups, _INPUT)]
    answered = _joined(_message(one, "assistant") for one in _listed(groups, _OUTPUT))
    yield semconv.INPUT_MESSAGES, [one for one in given if one["parts"]] or _whole(attributes, "input", "user")
    yield semconv.OUTPUT_MESSAGES, answered or _whole(attributes, "output", "assistant")
    yield semconv.TOOL_DEFINITIONS, definitions([one.get("tool.json_schema") for one in _listed(groups, _TOOLS)])
    if text(attributes.get("llm.function_call")):
        call = parsed(attributes["llm.function_call"])
        if isinstance(call, Mapping) and not answered:
            made = tool_call(call.get("name"), call.get("arguments"))
            yield semconv.OUTPUT_MESSAGES, [message("assistant", [made])]


def _is_said(value: Any) -> bool:
    return bool(text(value)) and value != _REDACTED


def _whole(attributes: Mapping[str, Any], side: str, by: str) -> list[dict[str, Any]] | None:
    """The whole request or answer, where no messages were made of it: its messages, or a text."""
    value = attributes.get(f"{side}.value")
    if not _is_said(value):
        return None
    body = parsed(value)
    if isinstance(body, Mapping):
        inner = body.get("messages", body.get("input") if side == "input" else body.get("choices"))
        return messages(inner, by) if inner is not None else None
    return messages(body, by) if isinstance(body, list) else told(by, value)


def _is_json(attributes: Mapping[str, Any], side: str) -> bool:
    value = attributes.get(f"{side}.value")
    return isinstance(value, str) and value.startswith("{")


def _message(given: Mapping[str, Any], default: str) -> dict[str, Any]:
    """A message out of its flattened leaves."""
    by = role(given.get("message.role"), default)
    content = given.get("message.content")
    if content == _REDACTED:
        content = None
    blocks = [_block(one) for one in grouped(given, "message.contents.")]
    if by == "tool" and (answered := text(given.get("message.tool_call_id"))) is not None:
        texts = [one["content"] for one in blocks if one is not None and one["type"] == "text"]
        return message(by, [tool_result(content if content is not None else "\n".join(texts), answered)])
    parts = [one for one in blocks if one is not None]
    if _is_said(content) and not any(one.get("content") == content for one in parts):
        parts.insert(0, says(content))
    known = {one.get("id") for one in parts if one["type"] == "tool_call"}
    for call in grouped(given, "message.tool_calls."):
        made = _call(call)
        if made is not None and (made.get("id") is None or made["id"] not in known):  # Anthropic's are there twice
            parts.append(made)
    if text(given.get("message.function_call_name")):
        arguments = given.get("message.function_call_arguments_json")
        parts.append(tool_call(given["message.function_call_name"], arguments))
    return message(by, parts, given.get("message.name"))


def _call(given: Mapping[str, Any]) -> dict[str, Any] | None:
    name, id_ = text(given.get("tool_call.function.name")), text(given.get("tool_call.id"))
    if name is None and id_ is None:
        return None
    return tool_call(name, given.get("tool_call.function.arguments"), id_)


def _block(given: Mapping[str, Any]) -> dict[str, Any] | None:
    """One of a message's contents; a tool's call, or a reasoning of which nothing is told, may be among them."""
    kind = str(given.get("message_content.type") or "text")
    if kind == "tool_use":
        return _call(given)
    for modality in ("image", "audio"):
        url = text(given.get(f"message_content.{modality}.{modality}.url"))
        if url is not None:
            return None if url == _REDACTED else part({"type": f"{modality}_url", f"{modality}_url": url})
    said = given.get("message_content.text")
    if not _is_said(said):
        return None
    return says(said, "reasoning" if kind in {"reasoning", "thinking"} else "text")


def _joined(made: Iterable[dict[str, Any]]) -> list[dict[str, Any]] | None:
    """Messages of one role after one another as one: of the Responses API each item is a message there."""
    found: list[dict[str, Any]] = []
    for one in made:
        if found and one["role"] == found[-1]["role"] == "assistant":
            found[-1]["parts"].extend(one["parts"])
        else:
            found.append(one)
    return [one for one in found if one["parts"]] or None


def _embedded(groups: _Groups) -> Iterator[tuple[str, Any]]:
    embeddings = _listed(groups, _VECTORS)
    texts = [one.get("embedding.text") for one in embeddings]
    yield semconv.INPUT_MESSAGES, [message("user", [says(one)]) for one in texts if _is_said(one)] or None
    vector = next((one["embedding.vector"] for one in embeddings if "embedding.vector" in one), None)
    yield semconv.EMBEDDINGS_DIMENSIONS, len(vector) if isinstance(vector, list) and vector else None


def _ranked(attributes: Mapping[str, Any], groups: _Groups) -> Iterator[tuple[str, Any]]:
    given, ranked = _listed(groups, _RANKED_IN), _listed(groups, _RANKED_OUT)
    yield semconv.RETRIEVAL_QUERY, text(attributes.get("reranker.query"))
    yield semconv.RETRIEVAL_TOP_K, count(attributes.get("reranker.top_k"))
    yield semconv.RERANK_IN, len(given) or None
    yield semconv.RERANK_OUT, len(ranked) or None
    yield semconv.RETRIEVAL_DOCUMENTS, [_document(one) for one in ranked] or None


def _document(given: Mapping[str, Any]) -> dict[str, Any]:
    metadata = parsed(given.get("document.metadata"))
    metadata = metadata if isinstance(metadata, Mapping) else {}
    own_id = given.get("document.id", metadata.get("id"))
    score = next(
        (one for of in (given.get("document.score"), metadata.get("score")) if (one := number(of)) is not None), None
    )
    made = {
        "id": None if own_id is None else str(own_id),
        "score": score,
        "content": text(given.get("document.content")),
        "metadata": dict(metadata) or None,
    }
    return {name: value for name, value in made.items() if value is not None}


def _stepped(span: Foreign, operation: str, groups: _Groups) -> Iterator[tuple[str, Any]]:
    attributes = span.attributes
    given, answered = attributes.get("input.value"), attributes.get("output.value")
    if operation == semconv.EXECUTE_TOOL:
        yield semconv.TOOL_NAME, text(attributes.get("tool.name")) or text(span.name)
        yield semconv.TOOL_DESCRIPTION, text(attributes.get("tool.description"))
        yield semconv.TOOL_CALL_ID, text(attributes.get("tool_call.id")) or text(attributes.get("tool.id"))
        yield (
            semconv.TOOL_CALL_ARGUMENTS,
            parsed(given) if _is_said(given) else parsed(attributes.get("tool.parameters")),
        )
        yield semconv.TOOL_CALL_RESULT, parsed(answered) if _is_said(answered) else None
    elif operation == semconv.RETRIEVAL:
        found = [_document(one) for one in _listed(groups, _DOCUMENTS)]
        yield semconv.RETRIEVAL_QUERY, given if _is_said(given) else None
        yield semconv.RETRIEVAL_DOCUMENTS, found or None
        yield semconv.RETRIEVAL_COUNT, len(found) or None
    elif operation in {semconv.INVOKE_AGENT, semconv.INVOKE_WORKFLOW}:
        yield semconv.INPUT_MESSAGES, told("user", given) if _is_said(given) else None
        yield semconv.OUTPUT_MESSAGES, told("assistant", answered) if _is_said(answered) else None
        if operation == semconv.INVOKE_WORKFLOW:
            yield semconv.WORKFLOW_NAME, text(span.name)


def _beside(attributes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What any span may have: an agent, a session, a prompt, metadata and tags."""
    yield semconv.AGENT_NAME, text(attributes.get("agent.name"))
    yield semconv.CONVERSATION_ID, text(attributes.get(semconv.SESSION_ID))
    yield semconv.PROMPT_NAME, text(attributes.get("prompt.id"))
    yield semconv.PROMPT_VERSION, text(attributes.get(f"{_TEMPLATE}version"))
    variables = parsed(attributes.get(f"{_TEMPLATE}variables"))
    if isinstance(variables, Mapping):
        yield from ((semconv.PROMPT_VARIABLE + str(name), value) for name, value in variables.items())
    if text(attributes.get("graph.node.id")):
        yield semconv.TAG + "graph.node.id", attributes["graph.node.id"]
    yield from labels(attributes.get("tag.tags"))
    for given in items(attributes.get("metadata")):
        for name, value in given.items():
            said = value if isinstance(value, str | int | float) else None
            if name == "feature" and text(value):
                yield semconv.FEATURE, value
            yield semconv.TAG + str(name), said


VOCABULARY = OpenInference()
