"""The README's code runs as it stands there."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from program import answer_chats
from receiver import Receiver, attributes
from wire.server import Provider

import otelllm
from otelllm import frameworks, policy, providers
from otelllm.supported import span

README = (Path(__file__).parent.parent / "README.md").read_text()
PYTHON = re.findall(r"^```python\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
TOML = re.findall(r"^```toml\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("code", PYTHON, ids=range(len(PYTHON)))
def test_readme_python_runs(tmp_path: Path, code: str) -> None:
    """Each fence is a program: it ends well, and its calls become spans."""
    provider, receiver = answer_chats(Provider()), Receiver()
    (tmp_path / "readme.py").write_text(code)
    variables = {
        **os.environ, "OPENAI_API_KEY": "k", "OPENAI_BASE_URL": provider.url,
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint, "OTEL_METRICS_EXPORTER": "none",
    }  # fmt: skip
    try:
        done = subprocess.run(
            [sys.executable, "readme.py"], cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        if "instrument" in code:
            receiver.wait(lambda: len(receiver.spans) == 1)
            assert attributes(receiver.spans[0])["user.id"] == "u-17"
    finally:
        provider.close()
        receiver.close()


@pytest.mark.parametrize("text", TOML, ids=range(len(TOML)))
def test_readme_policy_is_a_policy(text: str) -> None:
    """The policy shown is one that `instrument()` takes."""
    assert policy.parse(text, "README.md").capture.content == "redacted"


def test_readme_names_exist() -> None:
    """Every `otelllm.name` of the text is public, and what is imported from a module is in its `__all__`."""
    imported = re.findall(r"from otelllm\.(\w+) import (\w+)", README)
    for module, name in imported:
        assert name in importlib.import_module(f"otelllm.{module}").__all__
    names = set(re.findall(r"otelllm\.([a-zA-Z_]+)\b", README)) - {"toml"} - {module for module, _ in imported}
    assert names <= set(otelllm.__all__)


def test_what_is_watched_is_what_the_files_declare() -> None:
    """docs/watched.md names each package once, with the versions that its file declares."""
    text = (Path(__file__).parent.parent / "docs" / "watched.md").read_text()
    told = dict(re.findall(r"^\| ([\w-]+) \| ([\w. ]+) \|", text, re.MULTILINE))
    del told["package"]
    declared = {
        one.package: span(one.oldest, getattr(one, "newest", "")) for one in (*providers.found(), *frameworks.found())
    }
    assert told == declared
