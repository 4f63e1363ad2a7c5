"""A call inside an inference of OpenTelemetry's GenAI packages: the span is theirs, and carries what we know.

They mark the context of a call that they trace with an object that inner calls add their data to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opentelemetry.context import Context, get_value

from .call import Value

__all__ = ["outer_inference", "publish"]

KEY = "opentelemetry.genai.client.inference.context"
"""Their name for it; asked for by name, so that their packages need not be there."""


def outer_inference(context: Context | None = None) -> Any | None:
    """Their data of the inference around what runs now."""
    found = get_value(KEY, context)
    return found if hasattr(found, "attributes") else None


def publish(data: Any, found: Mapping[str, Value]) -> None:
    """Add attributes to their data: to its field, where one has the attribute's name, else among its own attributes.

    What they know themselves stays.
    """
    for name, value in found.items():
        field = name.removeprefix("gen_ai.").replace(".", "_") if name.startswith("gen_ai.") else ""
        if field and hasattr(data, field):
            if getattr(data, field) is None:
                setattr(data, field, value)
        else:
            data.attributes.setdefault(name, value)
