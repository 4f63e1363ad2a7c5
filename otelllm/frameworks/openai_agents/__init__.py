"""The OpenAI Agents SDK: its own trace tells of runs, agents, tools and handoffs; model calls are seen where it makes
them, so that a model of the app's own has its span too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from types import ModuleType
from typing import Any

from ... import emit
from ...safely import safely
from ...spec import Hook, Wrapper
from .models import answered, streamed
from .processor import PROCESSOR, told_tool_call

__all__ = ["FRAMEWORK"]


def _install(module: ModuleType) -> Callable[[], None]:
    """Beside the processors that are there: the SDK's own exporter, and other people's."""
    module.add_trace_processor(PROCESSOR)

    def undo() -> None:
        many: Any = getattr(module.get_trace_provider(), "_multi_processor", None)
        kept = getattr(many, "_processors", ())
        if PROCESSOR in kept:  # there is no public way to take one off; where this is gone, it stays and does nothing
            many._processors = tuple(one for one in kept if one is not PROCESSOR)
        PROCESSOR.end_all()

    return undo


def _tool_context(original: Callable[..., Any]) -> Callable[..., Any]:
    """A tool's context is made inside its span, and is the only one to know the call's id."""

    @wraps(original)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        if emit.active() is not None:
            with safely("reading a tool call's id"):
                told_tool_call(getattr(self, "tool_call_id", None))

    return init


class _OpenAIAgents:
    name = "openai_agents"
    package = "openai-agents"
    oldest = "0.14"
    newest = "0.24.0"
    hooks = (
        Hook("agents.tracing:add_trace_processor", _install),
        Wrapper("agents.run_internal.run_loop:get_response_with_retry", answered),
        Wrapper("agents.run_internal.run_loop:stream_response_with_retry", streamed),
        Wrapper("agents.tool_context:ToolContext.__init__", _tool_context, optional=True),
    )


FRAMEWORK = _OpenAIAgents()
