"""The wheel and the sdist, installed with no extra at all."""

from __future__ import annotations

import subprocess
import tarfile
import textwrap
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import checked

pytestmark = [pytest.mark.slow, pytest.mark.thorough]

# As small as a provider SDK can be and still have what ours looks for: the same modules, classes and attributes.
FAKE_SDK = {
    "openai/__init__.py": "",
    "openai/_streaming.py": "class Stream: ...\nclass AsyncStream: ...\n",
    "openai/_legacy_response.py": "class LegacyAPIResponse:\n    def _parse(self): ...\n",
    "openai/_response.py": "class BaseAPIResponse:\n    def _parse(self): ...\n",
    "openai/resources/__init__.py": "",
    "openai/resources/chat/__init__.py": "",
    "openai/resources/chat/completions/__init__.py": "",
    "openai/resources/chat/completions/completions.py": """
        from types import SimpleNamespace as Thing

        class Completions:
            _client = Thing(base_url="https://api.openai.com/v1/")

            def create(self, **kwargs):
                message = Thing(role="assistant", content="hello")
                usage = Thing(prompt_tokens=10, completion_tokens=5)
                return Thing(id="c1", model="gpt-4o-mini", usage=usage,
                             choices=[Thing(message=message, finish_reason="stop")])

        class AsyncCompletions(Completions):
            async def create(self, **kwargs): ...
    """,
}
PROGRAM = """
    import sys
    import otelllm
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    otelllm.instrument(tracer_provider=provider, capture="full")

    from openai.resources.chat.completions.completions import Completions
    Completions().create(model="gpt-4o-mini", messages=[{"role": "user", "content": "hi"}])
    span, = kept.get_finished_spans()
    assert span.name == "chat gpt-4o-mini", span.name
    assert span.attributes["gen_ai.usage.input_tokens"] == 10
    assert span.attributes["otelllm.cost.usd"] > 0
    assert "hello" in span.attributes["gen_ai.output.messages"]
    for heavy in ("duckdb", "streamlit", "pydantic", "genai_prices"):
        assert heavy not in sys.modules, heavy
    print(otelllm.__version__)
"""


@pytest.fixture(scope="module", params=["wheel", "sdist"])
def bare(request: pytest.FixtureRequest, built: dict[str, Path], environment: Callable[..., Path]) -> Path:
    """An environment with otelllm and what it brings itself."""
    return environment(built[request.param])


def test_a_bare_install_instruments_an_sdk(bare: Path, tmp_path: Path) -> None:
    """No extra, no provider SDK: imported, priced and captured against a fake one."""
    for name, code in FAKE_SDK.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(textwrap.dedent(code))
    (tmp_path / "program.py").write_text(textwrap.dedent(PROGRAM))
    printed = checked(bare, "-W", "error", tmp_path / "program.py", cwd=tmp_path)
    assert checked(bare.parent / "otelllm", "--version").strip().endswith(printed.strip())


@pytest.mark.parametrize(("command", "extra"), [("collector", "collector"), ("dashboard", "dashboard")])
def test_a_missing_extra_is_named(bare: Path, command: str, extra: str) -> None:
    """The command says what to install."""
    done = subprocess.run([bare.parent / "otelllm", command], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert f"otelllm[{extra}]" in done.stdout + done.stderr


def test_the_wheel_has_everything_and_nothing_else(built: dict[str, Path]) -> None:
    """Three packages, their data and types; no tests, no tools."""
    names = zipfile.ZipFile(built["wheel"]).namelist()
    roots = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert roots == {"otelllm", "otelllm_collector", "otelllm_dashboard"}
    for needed in ("otelllm/py.typed", "otelllm/prices.json", "otelllm_collector/py.typed",
                   "otelllm/cli/rag_agent/gemma-tools.jinja"):  # fmt: skip
        assert needed in names, needed
    assert any(name.startswith("otelllm_collector/sql/") and name.endswith(".sql") for name in names)


def test_the_sdist_builds_and_tests_what_it_holds(built: dict[str, Path]) -> None:
    """Tests, Makefile and pins are in it; a node_modules folder or an environment of somebody's machine is not."""
    with tarfile.open(built["sdist"]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "Makefile", "constraints.txt", "LICENSE", "README.md", "tests/test_floors.py"} <= names
    assert not any("node_modules" in name or ".venv" in name for name in names)
