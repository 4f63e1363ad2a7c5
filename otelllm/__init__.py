"""otelllm: observe, limit and improve LLM features in production.

    import otelllm
    otelllm.instrument()

Calls of the provider SDKs then become OpenTelemetry spans with time to first token, tokens, cost and tool calls, and
pass the policy of `otelllm.toml`. Importing this package brings OpenTelemetry's API and little else.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .decorators import agent, embedding, rerank, retrieval, task, tool, workflow
from .errors import BadConfig, Blocked, BudgetExceeded, KillSwitchOn, RateLimited
from .scope import context
from .version import __version__

if TYPE_CHECKING:
    from .evaluation import feedback
    from .interruptions import interruption
    from .setup import flush, instrument, shutdown, uninstrument

__all__ = [
    "BadConfig",
    "Blocked",
    "BudgetExceeded",
    "KillSwitchOn",
    "RateLimited",
    "__version__",
    "agent",
    "context",
    "embedding",
    "feedback",
    "flush",
    "instrument",
    "interruption",
    "rerank",
    "retrieval",
    "shutdown",
    "task",
    "tool",
    "uninstrument",
    "workflow",
]

# Half of what an import would cost is behind these; most modules of an app import otelllm and never call one.
_WHEN_USED = {
    "feedback": "evaluation",
    "flush": "setup",
    "instrument": "setup",
    "interruption": "interruptions",
    "shutdown": "setup",
    "uninstrument": "setup",
}


def __getattr__(name: str) -> Any:
    if name == "cache":
        return import_module(f"{__name__}.cache")
    module = _WHEN_USED.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{module}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
