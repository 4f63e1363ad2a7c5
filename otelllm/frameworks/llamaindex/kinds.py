"""Which of LlamaIndex's spans are steps of ours: told by the classes that its objects are of."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from opentelemetry.context import Context

from ... import semconv
from ...call import Part, Request, Value
from ...enclosing import enclosing
from ...model_calls import ModelCall
from ...parts import as_list
from ...runs import Run

__all__ = ["begin", "is_watched"]

Read = Callable[[Run, Any], None]
Made = ModelCall | tuple[Run, Read | None] | None

_CHATS = {"chat", "achat", "stream_chat", "astream_chat"}
_COMPLETIONS = {"complete", "acomplete", "stream_complete", "astream_complete"}
_RETRIEVES = {"retrieve", "aretrieve"}
_RERANKS = {"postprocess_nodes", "apostprocess_nodes", "_postprocess_nodes", "_apostprocess_nodes"}
_QUERIES = {"query", "aquery"}
_TOOLS = {"call", "acall", "__call__"}

# The integration's package -> the SDK that it calls, which we watch: it is imported by then.
_SDKS = {
    "openai": "openai", "azure_openai": "openai", "openai_like": "openai", "openrouter": "openai", "vllm": "openai",
    "anthropic": "anthropic", "mistralai": "mistralai", "cohere": "cohere", "groq": "openai", "ollama": "ollama",
    "google_genai": "google.genai", "bedrock_converse": "botocore", "litellm": "litellm", "together": "openai",
}  # fmt: skip


def is_watched(instance: Any) -> bool:
    """Whether a model's calls go through an SDK that we watch."""
    parts = type(instance).__module__.split(".")
    return parts[:2] == ["llama_index", "llms"] and _SDKS.get(parts[2], "?") in sys.modules


@lru_cache(maxsize=256)
def _kind(owner: type) -> str:
    """What LlamaIndex calls a class of this sort; by the names of its bases, for none of them is imported here."""
    names = {base.__name__ for base in owner.__mro__}
    for name, kind in (
        ("BaseLLM", "llm"), ("BaseEmbedding", "embedding"), ("BaseRetriever", "retriever"),
        ("BaseNodePostprocessor", "postprocessor"), ("BaseQueryEngine", "query engine"),
        ("BaseChatEngine", "chat engine"), ("BaseWorkflowAgent", "agent"), ("AgentWorkflow", "agent"),
        ("Workflow", "workflow"), ("BaseTool", "tool"),
    ):  # fmt: skip
        if name in names:
            return kind
    return ""


def begin(instance: Any, method: str, bound: inspect.BoundArguments, context: Context) -> Made:
    """The step that a call of `method` is; None where it is a part of another one, or not worth a span."""
    owner: Any = type(instance)
    kind = _kind(owner)
    if kind == "llm" and method in _CHATS | _COMPLETIONS:
        return _model_call(instance, method, context)
    if kind == "embedding" and "embedding" in method:
        return _embedding(instance, context)
    if kind == "retriever" and method in _RETRIEVES:
        return _retrieval(instance, bound, context)
    if kind == "postprocessor" and method in _RERANKS and "rerank" in owner.__name__.lower():
        return _reranking(instance, bound, context)
    if (kind == "query engine" and method in _QUERIES) or (kind == "chat engine" and method.endswith("chat")):
        return Run(semconv.INVOKE_WORKFLOW, owner.__name__, parent=context), None
    if kind in {"agent", "workflow"} and method == "run":
        name = str(getattr(instance, "name", None) or owner.__name__)
        return Run(semconv.INVOKE_AGENT if kind == "agent" else semconv.INVOKE_WORKFLOW, name, parent=context), None
    if kind == "tool" and method in _TOOLS:
        return _tool(instance, bound, context)
    return None


def _model_of(instance: Any) -> str | None:
    name = getattr(instance, "model", None) or getattr(instance, "model_name", None)
    return name if isinstance(name, str) and name and name != "unknown" else None


def _provider_of(instance: Any) -> str:
    owner = type(instance)
    parts = owner.__module__.split(".")
    return parts[2] if parts[:2] == ["llama_index", "llms"] and len(parts) > 2 else owner.__name__.lower()


def _model_call(instance: Any, method: str, context: Context) -> ModelCall | None:
    outer = enclosing()
    if outer is not None and outer.operation in {semconv.CHAT, semconv.TEXT_COMPLETION}:
        return None  # one call of a model's is often three of its methods
    operation = semconv.CHAT if method in _CHATS else semconv.TEXT_COMPLETION
    request = Request(model=_model_of(instance))
    if isinstance(temperature := getattr(instance, "temperature", None), int | float):
        request.attributes[semconv.REQUEST_TEMPERATURE] = float(temperature)
    return ModelCall(_provider_of(instance), operation, request, parent=context)


def _embedding(instance: Any, context: Context) -> ModelCall | None:
    outer = enclosing()
    if outer is not None and outer.operation == semconv.EMBEDDINGS:
        return None
    return ModelCall(_provider_of(instance), semconv.EMBEDDINGS, Request(model=_model_of(instance)), parent=context)


def _argument(bound: inspect.BoundArguments, *names: str) -> Any:
    return next((bound.arguments[name] for name in names if name in bound.arguments), None)


def _query(bound: inspect.BoundArguments) -> str | None:
    asked = _argument(bound, "str_or_query_bundle", "query_bundle", "query_str", "query")
    text = asked if isinstance(asked, str) else getattr(asked, "query_str", None)
    return text if isinstance(text, str) else None


def _retrieval(instance: Any, bound: inspect.BoundArguments, context: Context) -> tuple[Run, Read]:
    facts: dict[str, Value] = {}
    top_k = getattr(instance, "similarity_top_k", None)
    if isinstance(top_k, int):
        facts[semconv.RETRIEVAL_TOP_K] = top_k
    run = Run(semconv.RETRIEVAL, type(instance).__name__, facts, parent=context)
    if run.content is not None and (query := _query(bound)):
        run.content.write_text(semconv.RETRIEVAL_QUERY, query)
    return run, lambda run, result: _read_nodes(run, result, semconv.RETRIEVAL_COUNT)


def _reranking(instance: Any, bound: inspect.BoundArguments, context: Context) -> tuple[Run, Read]:
    facts: dict[str, Value] = {semconv.RERANK_IN: len(as_list(_argument(bound, "nodes")))}
    if (model := _model_of(instance)) is not None:
        facts[semconv.REQUEST_MODEL] = model
    run = Run(semconv.RERANK, model or type(instance).__name__, facts, parent=context)
    return run, lambda run, result: _read_nodes(run, result, semconv.RERANK_OUT)


def _read_nodes(run: Run, result: Any, counted: str) -> None:
    nodes = as_list(result)
    run.found[counted] = len(nodes)
    if run.content is not None:
        run.content.write(semconv.RETRIEVAL_DOCUMENTS, [_document(one) for one in nodes])


def _document(scored: Any) -> Part:
    node = getattr(scored, "node", scored)
    found: Part = {"id": str(getattr(node, "node_id", ""))}
    if isinstance(score := getattr(scored, "score", None), int | float):
        found["score"] = float(score)
    if isinstance(text := getattr(node, "text", None), str):
        found["content"] = text
    return found


def _tool(instance: Any, bound: inspect.BoundArguments, context: Context) -> tuple[Run, Read | None] | None:
    metadata = getattr(instance, "metadata", None)
    name = getattr(metadata, "name", None) or getattr(metadata, "get_name", lambda: "")() or type(instance).__name__
    run = Run(semconv.EXECUTE_TOOL, str(name), {semconv.TOOL_TYPE: "function"}, parent=context)
    if run.content is not None:
        given = {**bound.arguments.get("kwargs", {}), **{k: v for k, v in bound.arguments.items() if k != "kwargs"}}
        if not given.get("args"):
            given.pop("args", None)
        run.content.write(semconv.TOOL_CALL_ARGUMENTS, given)
    return run, _read_tool


def _read_tool(run: Run, result: Any) -> None:
    if getattr(result, "is_error", False):
        run.found[semconv.ERROR_TYPE] = "tool_error"
    if run.content is not None:
        run.content.write(semconv.TOOL_CALL_RESULT, getattr(result, "content", result))
