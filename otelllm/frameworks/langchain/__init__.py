"""LangChain and langgraph: a handler in every run, and frames around the methods that do the work."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from ...spec import Hook, Wrapper

__all__ = ["FRAMEWORK"]

# The files beside this one are imported when LangChain is, not before.


def _register(module: ModuleType) -> Callable[[], None] | str:
    from .handler import install  # noqa: PLC0415

    return install(module)


def _framed(kind: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def make(original: Callable[..., Any]) -> Callable[..., Any]:
        from .frames import framed  # noqa: PLC0415

        return framed(kind)(original)

    return make


def _generating(original: Callable[..., Any]) -> Callable[..., Any]:
    from .frames import generating  # noqa: PLC0415

    return generating(original)


def _config_context(original: Callable[..., Any]) -> Callable[..., Any]:
    from .frames import config_context  # noqa: PLC0415

    return config_context(original)


def _searches(name: str) -> Callable[[ModuleType], Callable[[], None] | str]:
    def install(module: ModuleType) -> Callable[[], None] | str:
        from . import searches  # noqa: PLC0415

        done: Callable[[], None] | str = getattr(searches, name)(module)
        return done

    return install


_MODELS = ("langchain_core.language_models.chat_models:BaseChatModel", "langchain_core.language_models.llms:BaseLLM")
_WORK = (
    ("langchain_core.language_models.chat_models:BaseChatModel._generate_with_cache", False),
    ("langchain_core.language_models.chat_models:BaseChatModel._agenerate_with_cache", False),
    ("langchain_core.language_models.chat_models:BaseChatModel._iter_v2_events", True),
    ("langchain_core.language_models.chat_models:BaseChatModel._aiter_v2_events", True),
    ("langchain_core.language_models.llms:BaseLLM._generate_helper", False),
    ("langchain_core.language_models.llms:BaseLLM._agenerate_helper", False),
)
# By the name under which each module that uses it imported it, for that may have been before us.
_CONTEXTS = (
    ("langchain_core.runnables.config:_set_config_context", False),
    ("langchain_core.runnables.base:_set_config_context", True),
    ("langchain_core.runnables.fallbacks:_set_config_context", True),
    ("langchain_core.tools.base:_set_config_context", True),
    ("langgraph._internal._runnable:_set_config_context", True),
    ("langgraph.utils.runnable:_set_config_context", True),
)


class _LangChain:
    name = "langchain"
    package = "langchain-core"
    oldest = "0.3.29"
    newest = "1.7.2"
    hooks = (
        Hook("langchain_core.tracers.context:register_configure_hook", _register),
        *(Wrapper(target, _config_context, optional) for target, optional in _CONTEXTS),
        *(Wrapper(f"{model}.{name}", _framed("model")) for model in _MODELS for name in ("stream", "astream")),
        *(Wrapper(target, _generating, optional) for target, optional in _WORK),
        *(Wrapper(f"langchain_core.tools.base:BaseTool.{name}", _framed("tool")) for name in ("run", "arun")),
        *(
            Wrapper(f"langchain_core.retrievers:BaseRetriever.{name}", _framed("retriever"))
            for name in ("invoke", "ainvoke")
        ),
        *(Wrapper(f"langgraph.pregel.main:Pregel.{name}", _framed("chain"), True) for name in ("stream", "astream")),
        *(Wrapper(f"langgraph.pregel:Pregel.{name}", _framed("chain"), True) for name in ("stream", "astream")),
        Hook("langchain_core.vectorstores.base:VectorStore", _searches("stores"), optional=True),
        Hook("langchain_core.embeddings.embeddings:Embeddings", _searches("embeddings"), optional=True),
        Hook("langchain_core.documents.compressor:BaseDocumentCompressor", _searches("rerankers"), optional=True),
    )


FRAMEWORK = _LangChain()
