"""Our names and shapes beside those of OpenTelemetry's own packages: a new release of theirs shows what moved."""

from __future__ import annotations

import importlib
import pkgutil
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pytest
from wire import files
from wire.server import whole

from otelllm import semconv

from .surfaces import CHAT, RESPONSES

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App

# In opentelemetry-util-genai 1.3b0, and not yet in the table of attributes.
NEWER = {
    semconv.EVENT_GUARDRAIL, semconv.GUARDRAIL_NAME, semconv.GUARDRAIL_RESULT, semconv.GUARDRAIL_RESULT_TYPE,
    semconv.EVENT_DETAILS, semconv.EVENT_EVALUATION, semconv.EVENT_EXCEPTION, semconv.METRIC_AGENT_DURATION,
    semconv.METRIC_TOOL_DURATION, semconv.METRIC_WORKFLOW_DURATION, semconv.PROMPT_VARIABLE, semconv.PROMPT_VERSION,
    semconv.REQUEST_PREVIOUS_RESPONSE_ID, semconv.REQUEST_REASONING_LEVEL, semconv.RETRIEVAL_TOP_K,
    semconv.USAGE_AUDIO_CACHE_READ, semconv.USAGE_AUDIO_INPUT, semconv.USAGE_AUDIO_OUTPUT, semconv.USAGE_CACHE_WRITE,
    semconv.USAGE_IMAGE_CACHE_READ, semconv.USAGE_IMAGE_INPUT, semconv.USAGE_IMAGE_OUTPUT,
    semconv.USAGE_TEXT_CACHE_READ, semconv.USAGE_TEXT_INPUT, semconv.USAGE_TEXT_OUTPUT,
}  # fmt: skip


def _published() -> set[str]:
    """Every name in opentelemetry-semantic-conventions."""
    found: set[str] = set()
    for package_name in ("semconv.attributes", "semconv._incubating.attributes", "semconv._incubating.metrics"):
        package = importlib.import_module(f"opentelemetry.{package_name}")
        for module in pkgutil.iter_modules(package.__path__):
            names = vars(importlib.import_module(f"{package.__name__}.{module.name}"))
            found |= {value for name, value in names.items() if name.isupper() and isinstance(value, str)}
    return found


@pytest.mark.skipif(
    tuple(map(int, version("opentelemetry-semantic-conventions").split("b")[0].split("."))) < (0, 66),
    reason="the table is compared with opentelemetry-semantic-conventions 0.66 and later",
)
def test_our_names_are_the_conventions() -> None:
    """Each name that is not our own is published; those that are ahead of it are listed, and leave the list in time."""
    ours = {value for name, value in vars(semconv).items() if name.isupper() and isinstance(value, str)}
    theirs = {value for value in ours if "." in value and not value.startswith("otelllm.")}
    assert theirs - _published() == NEWER


OWN_FIELDS = {"sha256", "size"}
"""Beside a blob, whose bytes we leave out."""


@pytest.mark.parametrize("file", ["chat_tools.json", "chat_refusal.json", "responses_tools.json"])
def test_messages_fit_the_conventions_classes(otel: Telemetry, app: App, provider: Provider, file: str) -> None:
    """Every part that we write can be made into util-genai's own class for it, with no field too many or missing."""
    types = pytest.importorskip("opentelemetry.util.genai.types", reason="opentelemetry-util-genai is not installed")
    classes = {
        kind.__dataclass_fields__["type"].default: kind
        for kind in vars(types).values()
        if isinstance(kind, type) and "type" in getattr(kind, "__dataclass_fields__", {})
    }
    otel.instrument(capture="full")
    provider.reply(whole(files.body(f"openai/{file}")))
    surface = RESPONSES if file.startswith("responses") else CHAT
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}
    given: dict[str, Any] = dict(surface.arguments)
    if surface is CHAT:
        content = [{"type": "text", "text": "look"}, picture]
        call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        given["messages"] = [
            {"role": "user", "content": content},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": "done"},
        ]
    app.call(surface.method(app.client), **given)
    messages = otel.messages(semconv.INPUT_MESSAGES) + otel.messages(semconv.OUTPUT_MESSAGES)
    assert messages
    for message in messages:
        assert set(message) <= {"role", "parts", "name"}
        for part in message["parts"]:
            fields = {name: value for name, value in part.items() if name not in OWN_FIELDS}
            if part["type"] == "blob":
                fields.setdefault("content", b"")
            made = classes[part["type"]](**{"id": None, **fields} if part["type"].startswith("tool_call") else fields)
            assert made.type == part["type"]
