"""What a graph is, told from the graph itself: an agent that LangChain or langgraph built, or the app's workflow."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from ... import semconv
from ...call import Value

__all__ = ["described"]

_AGENT_MODULES = {"langchain.agents.factory", "langgraph.prebuilt.chat_agent_executor"}
"""Where the nodes that call the model are written, of the agents that those build."""
_NO_NAMES = {"", "LangGraph"}

_agents: WeakKeyDictionary[Any, bool] = WeakKeyDictionary()


def described(graph: Any, name: str) -> tuple[str, str, dict[str, Value]]:
    """Operation, name and facts of a run of `graph`. An agent that its builder gave no name has none."""
    if not _is_agent(graph):
        return semconv.INVOKE_WORKFLOW, name, {}
    return semconv.INVOKE_AGENT, "" if name in _NO_NAMES else name, {}


def _is_agent(graph: Any) -> bool:
    known = _agents.get(graph)
    if known is None:
        known = _agents[graph] = any(_builder(node) in _AGENT_MODULES for node in (graph.nodes or {}).values())
    return known


def _builder(node: Any) -> str | None:
    """The module of the function that a node runs."""
    bound = getattr(node, "bound", None)
    function = getattr(bound, "func", None) or getattr(bound, "afunc", None)
    return getattr(function, "__module__", None)
