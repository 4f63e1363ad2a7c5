"""`otelllm doctor` names every other instrumentation that watches an SDK, whichever came first."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from pathlib import Path


class Neighbour(NamedTuple):
    """A distribution, how it is switched on, and a method of openai's on which it sits."""

    package: str
    on: str
    target: str = "Completions.create"


NEIGHBOURS = {
    "OpenLLMetry": Neighbour(
        "opentelemetry-instrumentation-openai",
        "from opentelemetry.instrumentation.openai import OpenAIInstrumentor; OpenAIInstrumentor().instrument()",
    ),
    "OpenTelemetry": Neighbour(
        "opentelemetry-instrumentation-genai-openai",
        "from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor; OpenAIInstrumentor().instrument()",
    ),
    "OpenInference": Neighbour(
        "openinference-instrumentation-openai",
        "from openinference.instrumentation.openai import OpenAIInstrumentor; OpenAIInstrumentor().instrument()",
        "OpenAI.request",
    ),
    "Logfire": Neighbour(
        "logfire",
        "import logfire; logfire.configure(send_to_logfire=False, console=False); logfire.instrument_openai()",
        "OpenAI.request",
    ),
    "Langfuse": Neighbour("langfuse", "import langfuse.openai"),
    "Datadog": Neighbour("ddtrace", "import ddtrace; ddtrace.patch(openai=True)"),
    "Sentry": Neighbour("sentry-sdk", "import sentry_sdk; sentry_sdk.init()"),
}
OURS = "import otelllm; otelllm.instrument()"


def _doctor(folder: Path, app: str) -> dict[str, Any]:
    (folder / "app.py").write_text(app)
    done = subprocess.run(
        [sys.executable, "-m", "otelllm.cli", "doctor", "--import", "app", "--format", "json"],
        cwd=folder, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    findings = json.loads(done.stdout)["findings"]
    return {finding["subject"]: finding for finding in findings}["openai"]


# A method, and the client's request: one of each kind comes after us too; a run takes 3 s.
@pytest.mark.parametrize(
    ("name", "order"), [*((name, "before") for name in NEIGHBOURS), ("OpenLLMetry", "after"), ("Logfire", "after")]
)
def test_a_neighbour_is_named(tmp_path: Path, name: str, order: str) -> None:
    it = NEIGHBOURS[name]
    lines = ["import openai", it.on, OURS] if order == "before" else ["import openai", OURS, it.on]
    found = _doctor(tmp_path, "\n".join(lines))
    known = f"{it.package} {version(it.package)}"
    assert list(found["patched_by"]) == [known]
    assert it.target in found["patched_by"][known]
    assert "openai.resources.chat.completions.completions:Completions.create" in found["bound"]
    assert any(line.startswith(f"also patched by {known}: ") for line in found["more"])
    assert known not in found["installed_beside"]


def test_instrumentors_that_are_only_installed_are_named_too(tmp_path: Path) -> None:
    found = _doctor(tmp_path, "import openai")
    beside = [line.partition(" ")[0] for line in found["installed_beside"]]
    assert found["patched_by"] == {}
    assert beside == [NEIGHBOURS[name].package for name in ("OpenInference", "OpenTelemetry", "OpenLLMetry")]
