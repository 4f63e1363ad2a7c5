"""OpenTelemetry's completion hook: content handed to an entry point of `opentelemetry_genai_completion_hook`, as
opentelemetry-util-genai's packages do, in its classes. Its own `upload` hook needs fsspec.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import orjson

from . import semconv

if TYPE_CHECKING:
    from opentelemetry.trace import Span

__all__ = ["CompletionHook", "load"]

log = logging.getLogger(__name__)

GROUP = "opentelemetry_genai_completion_hook"


def load(name: str) -> CompletionHook | None:
    """The hook of that name; None, with a warning, where there is none or it can't be made."""
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    if name not in found:
        known = ", ".join(sorted(found)) or "none: opentelemetry-util-genai is not installed"
        log.warning(
            "otelllm: OTEL_INSTRUMENTATION_GENAI_COMPLETION_HOOK %r is not one of the hooks here: %s", name, known
        )
        return None
    try:
        return CompletionHook(found[name].load()())
    except Exception as error:  # somebody else's code, and only telemetry
        log.warning("otelllm: the completion hook %r could not be made (%s)", name, type(error).__qualname__)
        return None


class CompletionHook:
    """Calls somebody's hook at the end of each call, before its span ends: hooks put references on the span."""

    def __init__(self, hook: Any) -> None:
        self._hook = hook
        types: Any = import_module("opentelemetry.util.genai.types")
        self._types = types
        kinds: list[Any] = [kind for kind in vars(types).values() if is_dataclass(kind)]
        self._parts = {one.default: kind for kind in kinds for one in fields(kind) if one.name == "type"}

    def complete(self, content: Mapping[str, str], span: Span) -> None:
        """`content` as it goes on a span: JSON by attribute. Redacted by then, if it is to be."""
        types = self._types

        def messages(attribute: str, kind: Any) -> list[Any]:
            found = orjson.loads(content.get(attribute, "[]"))
            return [
                kind(role=one.get("role", ""), parts=[self._part(part) for part in one.get("parts", ())],
                     name=one.get("name"))
                for one in found
            ]  # fmt: skip

        definitions = [self._definition(one) for one in orjson.loads(content.get(semconv.TOOL_DEFINITIONS, "[]"))]
        self._hook.on_completion(
            inputs=messages(semconv.INPUT_MESSAGES, types.InputMessage),
            outputs=messages(semconv.OUTPUT_MESSAGES, types.OutputMessage),
            system_instruction=[
                self._part(one) for one in orjson.loads(content.get(semconv.SYSTEM_INSTRUCTIONS, "[]"))
            ],
            tool_definitions=definitions or None,
            span=span,
            log_record=None,
        )

    def _part(self, part: Mapping[str, Any]) -> Any:
        kind = self._parts.get(part.get("type"))
        if kind is None:
            return self._types.GenericPart(type=str(part.get("type") or ""))
        given = {one.name: part.get(one.name) for one in fields(kind) if one.name != "type"}
        if "content" in given and part.get("type") == "blob":
            given["content"] = base64.b64decode(given["content"] or "")
        return kind(**given)

    def _definition(self, one: Mapping[str, Any]) -> Any:
        if one.get("type") != "function":
            return self._types.GenericToolDefinition(name=str(one.get("name") or ""), type=str(one.get("type") or ""))
        return self._types.FunctionToolDefinition(
            name=str(one.get("name") or ""), description=one.get("description"), parameters=one.get("parameters")
        )
