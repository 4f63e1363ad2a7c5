"""pydantic-ai: it writes spans of its own to a tracer that it is given; ours makes the conventions' of them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

from opentelemetry.metrics import NoOpMeterProvider

from ... import emit
from ...spec import Hook
from .tracer import ToldTracerProvider

__all__ = ["FRAMEWORK"]


def _install(module: ModuleType) -> Callable[[], None] | str:
    """For every agent that has no setting of its own, those that are built already too. An app, or logfire, that has
    switched pydantic-ai's instrumentation on keeps it.
    """
    agent = module.Agent
    if agent._instrument_default is not False:
        return "the app has switched pydantic-ai's own instrumentation on; that is left alone"
    emitter = emit.active()
    kind: Any = import_module("pydantic_ai.models.instrumented").InstrumentationSettings
    asked = {
        "tracer_provider": ToldTracerProvider(),
        "meter_provider": NoOpMeterProvider(),  # ours counts every call, whoever sees it
        "include_content": emitter is not None and emitter.reads_content,
        "include_binary_content": False,
        "include_model_request_parameters": False,
    }
    known = inspect.signature(kind).parameters
    settings = kind(**{name: value for name, value in asked.items() if name in known})
    agent.instrument_all(settings)

    def undo() -> None:
        if agent._instrument_default is settings:
            agent.instrument_all(False)

    return undo


class _PydanticAI:
    name = "pydantic_ai"
    package = "pydantic-ai-slim"
    oldest = "2.0"
    newest = "2.68.0"
    hooks = (Hook("pydantic_ai.agent:Agent.instrument_all", _install),)


FRAMEWORK = _PydanticAI()
