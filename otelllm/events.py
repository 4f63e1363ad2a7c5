"""Log events of the GenAI conventions: a call's details, and evaluation results."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import partial
from time import time_ns
from typing import TYPE_CHECKING, Any

import orjson
from opentelemetry.trace import set_span_in_context

from . import semconv

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from .call import Call, Value

__all__ = ["Events"]

_STRUCTURED = {semconv.INPUT_MESSAGES, semconv.OUTPUT_MESSAGES, semconv.SYSTEM_INSTRUCTIONS, semconv.TOOL_DEFINITIONS}


class Events:
    """Writes log events. The logger is asked for at the first one: most programs never write any."""

    def __init__(self, get_logger: Callable[[], Any], *, writes_details: bool) -> None:
        self._get_logger = get_logger
        self._logger: Any = None
        self.writes_details = writes_details

    def details(self, call: Call, span: Span, attributes: Mapping[str, Value], content: Mapping[str, str]) -> None:
        """`gen_ai.client.inference.operation.details`: the span's attributes, with messages as structures."""
        if not self.writes_details:
            return
        plain = {name: value for name, value in attributes.items() if name not in _STRUCTURED}
        structured = {name: orjson.loads(text) if name in _STRUCTURED else text for name, text in content.items()}
        self.write(semconv.EVENT_DETAILS, {**plain, **structured}, span)

    def write(self, name: str, attributes: Mapping[str, Any], span: Span) -> None:
        """One log record of the event `name`, tied to `span`."""
        from opentelemetry._logs import SeverityNumber  # noqa: PLC0415  only where events are written

        if self._logger is None:
            self._logger = self._get_logger()
        record = _record_class(self._logger)
        self._logger.emit(
            record(
                timestamp=time_ns(),
                context=set_span_in_context(span),
                severity_number=SeverityNumber.INFO,
                attributes=dict(attributes),
                event_name=name,
            )
        )


def _record_class(logger: Any) -> Callable[..., Any]:
    """The record that `logger` takes: before 1.39 the SDK exported only its own class, with the resource on it."""
    own = getattr(sys.modules.get("opentelemetry.sdk._logs"), "LogRecord", None)
    if own is not None and hasattr(logger, "resource"):
        return partial(own, resource=logger.resource)
    from opentelemetry._logs import LogRecord  # noqa: PLC0415

    return LogRecord
