"""otelllm: observe, limit and improve LLM features in production.

    import otelllm
    otelllm.instrument()

Calls of the provider SDKs then become OpenTelemetry spans with time to first token, tokens, cost and tool calls, and
pass the policy of `otelllm.toml`. Importing this package brings OpenTelemetry's API and little else.
"""

from __future__ import annotations

from .decorators import agent, embedding, rerank, retrieval, task, tool, workflow
from .errors import BadConfig, Blocked, KillSwitchOn
from .evaluation import feedback
from .scope import context
from .setup import flush, instrument, shutdown, uninstrument
from .version import __version__

__all__ = [
    "BadConfig",
    "Blocked",
    "KillSwitchOn",
    "__version__",
    "agent",
    "context",
    "embedding",
    "feedback",
    "flush",
    "instrument",
    "rerank",
    "retrieval",
    "shutdown",
    "task",
    "tool",
    "uninstrument",
    "workflow",
]
