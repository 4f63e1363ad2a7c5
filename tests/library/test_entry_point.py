"""`opentelemetry-instrument`: watched with no line of code, and a bad policy decided by OTELLLM_ON_BAD_POLICY."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from program import TIMEOUT_S, environment
from receiver import Receiver, attributes
from wire.server import Provider

pytestmark = pytest.mark.slow  # programs of their own

PROGRAM = """
import os, openai
client = openai.OpenAI(api_key="k", base_url=os.environ["PROVIDER"], max_retries=0)
try:
    client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "hello"}])
    print("answered")
except Exception as error:
    print(type(error).__name__)
"""


def _run(folder: Path, provider: Provider, receiver: Receiver, **variables: str) -> subprocess.CompletedProcess[str]:
    (folder / "program.py").write_text(PROGRAM)
    command = Path(sys.executable).with_name("opentelemetry-instrument")
    return subprocess.run(
        [command, sys.executable, "program.py"], cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_S,
        check=False, env=environment(provider, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint, **variables),
    )  # fmt: skip


def test_no_code_is_needed(tmp_path: Path, answering: Provider, receiver: Receiver) -> None:
    """An app that knows nothing of otelllm has its calls as spans at the usual endpoint."""
    done = _run(tmp_path, answering, receiver, OTEL_SERVICE_NAME="untouched")
    assert done.stdout == "answered\n", done.stderr
    receiver.wait(lambda: any(span.name == "chat gpt-4o-mini" for span in receiver.spans))
    assert receiver.resources[0]["service.name"] == "untouched"
    assert attributes(receiver.spans[0])["gen_ai.provider.name"] == "openai"


@pytest.mark.parametrize(("decision", "printed"), [("exit", ""), ("block", "Blocked\n"), ("off", "answered\n")])
def test_a_bad_policy_is_decided_by_a_setting(
    tmp_path: Path, answering: Provider, receiver: Receiver, decision: str, printed: str
) -> None:
    """Not started, every call refused, or started without a policy; file, line and value are told in each case."""
    (tmp_path / "otelllm.toml").write_text('[capture]\ncontent = "everything"\n')
    done = _run(tmp_path, answering, receiver, OTELLLM_ON_BAD_POLICY=decision)
    assert done.stdout == printed
    assert (done.returncode != 0) == (decision == "exit")
    assert "otelllm.toml:2: capture.content = 'everything'" in done.stderr
