"""What OpenLLMetry writes in shapes of its own: messages a leaf an attribute, documents an event each or in a
reranker's messages, and what a decorated function was given and gave back.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from otelllm import semconv

from .bodies import told
from .messages import messages, role
from .values import count, found, grouped, number, parsed, text

__all__ = ["RESULTS", "arguments", "flattened", "read_rerank", "read_search", "result", "told_step"]

RESULTS = frozenset({"db.query.result", "db.search.result"})
"""Events of vector stores, one a document that was found."""
_BESIDE = frozenset({"tags", "metadata", "kwargs"})
"""What LangChain's callbacks are given besides a step's inputs or outputs."""
_LITERAL_LIMIT = 20_000
"""Characters: a longer text is not read as Python's."""


def flattened(attributes: Mapping[str, Any], prefix: str, default: str) -> list[dict[str, Any]]:
    """Messages in OpenAI's shape out of their leaves. Anthropic's thinking is one of its own there, and goes into the
    assistant's that follows.
    """
    made: list[dict[str, Any]] = []
    for one in map(_gathered, grouped(attributes, prefix)):
        before = made[-1] if made else one
        if "content" not in before and before is not one and role(one.get("role"), default) == "assistant":
            made[-1] = {**before, **one, "reasoning": [before["reasoning"], one.get("reasoning")]}
        else:
            made.append(one)
    return made


def _gathered(leaves: Mapping[str, Any]) -> dict[str, Any]:
    """One message; of thinking without a content."""
    content = _blocks(leaves.get("content", leaves.get("user")))  # Bedrock's and Vertex AI's prompts
    made = {key: value for key, value in leaves.items() if "." not in key}
    if made.get("role") == "thinking":
        of = {"role": "assistant", "reasoning": content}
        return {**of, "finish_reason": made["finish_reason"]} if "finish_reason" in made else of
    if made.get("role") == "unknown":
        del made["role"]  # LangChain's
    made["content"] = content
    made["tool_calls"] = grouped(leaves, "tool_calls.")
    if "function_call.name" in leaves:
        made["function_call"] = {key: leaves.get(f"function_call.{key}") for key in ("name", "arguments")}
    return made


def _blocks(content: Any) -> Any:
    """A content of several parts, which is JSON text; a user's own JSON is a text."""
    if content == '""':
        return None
    if not isinstance(content, str) or not content.startswith("["):
        return content
    made = parsed(content)
    is_told = isinstance(made, list) and all(isinstance(one, Mapping) and text(one.get("type")) for one in made)
    return made if made and is_told else content


def read_rerank(given: list[dict[str, Any]], said: list[dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    """Cohere's documents stand there as the system's messages, and what came of each as "Doc 2, Score: 0.9"."""
    asked = [one.get("content") for one in given if one.get("role") == "user"]
    offered = [one.get("content") for one in given if one.get("role") != "user"]
    yield semconv.RETRIEVAL_QUERY, text(asked[-1]) if asked else None
    yield semconv.RERANK_IN, len(offered) or None
    yield semconv.RERANK_OUT, len(said) or None
    ranked = []
    for one in said:
        head, _, content = str(one.get("content")).partition("\n")
        index, _, score = head.removeprefix("Doc ").partition(", Score: ")
        place = count(index)
        if place is not None:
            own = text(content) or (text(offered[place]) if place < len(offered) else None)
            ranked.append(found(id=index, score=number(score), content=own))
    yield semconv.RETRIEVAL_DOCUMENTS, ranked or None


def read_search(events: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    """The documents that a vector store found."""
    hits = [_hit(event["name"] + ".", event["attributes"]) for event in events if event["name"] in RESULTS]
    if hits:
        yield semconv.RETRIEVAL_DOCUMENTS, [one for one in hits if one] or None
        yield semconv.RETRIEVAL_COUNT, len(hits)


def _hit(prefix: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
    """One document. The smaller a distance the better, so it is no score. What Milvus' queries find has its own columns
    there, without a prefix.
    """
    given = {key[len(prefix) :]: value for key, value in attributes.items() if key.startswith(prefix)}
    if given:
        metadata = _literal(given.get("metadata", given.get("entity")))
    else:
        given = {"id": attributes.get("id")}
        metadata = {key: value for key, value in attributes.items() if key != "id"}
    own_id = given.get("id")
    return found(
        id=text(str(own_id)) if isinstance(own_id, str | int) else None,
        score=number(given.get("score")),
        distance=number(given.get("distance")),
        content=text(given.get("document")),
        metadata=metadata if metadata and isinstance(metadata, Mapping) else None,
    )


def _literal(value: Any) -> Any:
    """What JSON text says, or Python's notation of a dict; whatever is neither as it is."""
    made = parsed(value)
    if not isinstance(made, str) or not made.startswith("{") or len(made) > _LITERAL_LIMIT:
        return made
    try:
        return parsed(orjson.dumps(ast.literal_eval(made)).decode())
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):  # a set is no JSON
        return made


def told_step(by: str, value: Any) -> list[dict[str, Any]] | None:
    """What a step was given, or gave back: the only argument's text, messages in LangChain's state, or the whole."""
    given = parsed(value)
    if not isinstance(given, Mapping):
        return told(by, given if isinstance(given, str) else value)
    for key in ("inputs", "outputs"):
        if key in given and given.keys() <= {key, *_BESIDE}:
            inner = given[key]
            listed = inner.get("messages") if isinstance(inner, Mapping) else None
            said = messages(listed, by) if isinstance(listed, list) else None
            return said or told(by, inner)
    args = [] if given.get("kwargs") else given.get("args")
    return told(by, args[0] if isinstance(args, list) and len(args) == 1 and isinstance(args[0], str) else value)


def arguments(value: Any) -> Any:
    """A tool's arguments: by name where none came by place. LangChain's tools have both a text and what it says."""
    given = parsed(value)
    if not isinstance(given, Mapping):
        return given
    if "input_str" in given:
        inputs = given.get("inputs")
        return inputs if isinstance(inputs, Mapping) and inputs else _literal(given["input_str"])
    if given.keys() <= {"args", "kwargs"} and not given.get("args"):
        return given.get("kwargs")
    return given


def result(value: Any) -> Any:
    """A tool's result, out of what LangChain's callback, and its message's dump, put around it."""
    given = parsed(value)
    if isinstance(given, Mapping) and "output" in given and given.keys() <= {"output", "kwargs"}:
        given = parsed(given["output"])
        inner = given.get("kwargs") if isinstance(given, Mapping) else None
        if isinstance(inner, Mapping) and "content" in inner:
            return inner["content"]
    return given
