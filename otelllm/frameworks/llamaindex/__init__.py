"""LlamaIndex: a span handler and an event handler on its root dispatcher, to which all others propagate."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

from ...safely import safely
from ...spec import Hook
from .steps import Steps

__all__ = ["FRAMEWORK"]


def _install(module: ModuleType) -> Callable[[], None]:
    steps = Steps()
    spans = import_module("llama_index_instrumentation.span_handlers.base").BaseSpanHandler
    events = import_module("llama_index_instrumentation.event_handlers.base").BaseEventHandler

    class SpanHandler(spans):  # type: ignore[misc, valid-type]  # the framework's class, imported by now
        """Handlers are pydantic models of the framework's; what they would raise is swallowed there without a word."""

        def span_enter(
            self, id_: str, bound_args: Any, instance: Any = None, parent_id: str | None = None, **_: Any
        ) -> None:
            with safely("starting a LlamaIndex span"):
                steps.enter(id_, bound_args, instance, parent_id)

        def span_exit(self, id_: str, bound_args: Any, instance: Any = None, result: Any = None, **_: Any) -> None:
            with safely("ending a LlamaIndex span"):
                steps.exit(id_, result)

        def span_drop(self, id_: str, bound_args: Any, instance: Any = None, err: Any = None, **_: Any) -> None:
            with safely("dropping a LlamaIndex span"):
                steps.drop(id_, err)

        def new_span(self, *_: Any, **__: Any) -> None:
            return None

        def prepare_to_exit_span(self, *_: Any, **__: Any) -> None:
            return None

        def prepare_to_drop_span(self, *_: Any, **__: Any) -> None:
            return None

    class EventHandler(events):  # type: ignore[misc, valid-type]
        """The same for events."""

        def handle(self, event: Any, **_: Any) -> None:
            with safely("hearing a LlamaIndex event"):
                steps.heard(event)

    root = module.get_dispatcher()
    span_handler, event_handler = SpanHandler(), EventHandler()
    root.add_span_handler(span_handler)
    root.add_event_handler(event_handler)

    def undo() -> None:
        root.span_handlers = [one for one in root.span_handlers if one is not span_handler]
        root.event_handlers = [one for one in root.event_handlers if one is not event_handler]
        steps.end_all()

    return undo


class _LlamaIndex:
    name = "llamaindex"
    package = "llama-index-core"
    oldest = "0.14"
    newest = "0.14.25"
    hooks = (Hook("llama_index.core.instrumentation:get_dispatcher", _install),)


FRAMEWORK = _LlamaIndex()
