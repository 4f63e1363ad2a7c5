"""`otelllm doctor`: what it finds right and wrong, and by whom an SDK is watched besides."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from collector.process import start
from receiver import attributes
from wire.server import whole

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from receiver import Receiver
    from wire.server import Provider

# Each test runs the command as a process of its own, which imports all SDKs.
pytestmark = [pytest.mark.slow, pytest.mark.thorough]

ELSEWHERE = "http://127.0.0.1:9"  # the discard port: nothing listens there


def doctor(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "otelllm.cli", "doctor", *arguments],
        cwd=folder, env={**os.environ, **settings}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def told(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The findings of --format json by what they are about."""
    said = json.loads(done.stdout)
    assert done.returncode == (0 if said["well"] else 1)
    return {finding["subject"]: finding for finding in said["findings"]}


def test_all_is_well_where_a_collector_takes_spans(tmp_path: Path) -> None:
    """A real collector has the test span, and no line is wrong."""
    it = start(tmp_path / "data")
    try:
        done = doctor(tmp_path, "--url", it.url, OTEL_EXPORTER_OTLP_ENDPOINT=it.url)
        rows = it.sql("select name from spans")
    finally:
        it.stop()
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert rows == [["otelllm doctor"]]
    assert f"to {it.url}/v1/traces: a test span was taken" in done.stdout
    assert re.search(rf"ok   collector [\d.]+ answers at {it.url}", done.stdout)
    assert re.search(r"ok   openai [\d.]+ \(supported: [\d.]+ to [\d.]+\): [1-9]\d* methods are watched", done.stdout)


def test_spans_that_arrive_elsewhere_need_no_collector_of_ours(tmp_path: Path, receiver: Receiver) -> None:
    done = doctor(tmp_path, "--url", ELSEWHERE, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint)
    assert done.returncode == 0, done.stdout
    assert [span.name for span in receiver.spans] == ["otelllm doctor"]
    assert receiver.resources[0]["service.name"] == "otelllm-doctor"
    assert attributes(receiver.spans[0]) == {}


def test_an_answer_that_refuses_is_told(tmp_path: Path, provider: Provider) -> None:
    provider.always = whole({"error": "who are you?"}, status=401)
    done = doctor(tmp_path, "--format", "json", OTEL_EXPORTER_OTLP_ENDPOINT=provider.url.removesuffix("/v1"))
    spans = told(done)["spans"]
    assert (spans["well"], spans["arrived"], spans["protocol"]) == (False, False, "http/protobuf")
    assert "401" in spans["text"]


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_nobody_there_is_told_at_once(tmp_path: Path, protocol: str) -> None:
    """Without the exporters' retries, their log lines or a stack trace."""
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": ELSEWHERE, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
    done = doctor(tmp_path, "--url", ELSEWHERE, **settings)
    assert (done.returncode, done.stderr) == (1, "")
    reason = "Connection refused" if protocol != "grpc" else "StatusCode.UNAVAILABLE"
    assert f"WRONG  spans go by OTLP ({protocol}) to " in done.stdout
    assert f"a test span did not arrive ({reason})" in done.stdout
    assert f"WRONG  no collector answers at {ELSEWHERE}" in done.stdout


def test_what_the_environment_switches_off_is_wrong(tmp_path: Path) -> None:
    off = doctor(tmp_path, OTELLLM_DISABLED="1", OTEL_TRACES_EXPORTER="none")
    bad = doctor(tmp_path, OTELLLM_ON_BAD_POLICY="maybe")
    assert (off.returncode, bad.returncode) == (1, 1)
    assert "WRONG  environment: OTELLLM_DISABLED is set" in off.stdout
    assert "WRONG  spans go nowhere: OTEL_TRACES_EXPORTER is none" in off.stdout
    assert "WRONG  environment: OTELLLM_ON_BAD_POLICY 'maybe' is not one of" in bad.stdout


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("memory:", "ok   counters: each process counts alone, so four workers have four times the limits"),
        ("sqlite:", "ok   counters: a file for each service in "),
        ("sqlite:/", "WRONG  counters: the counters of limits and budgets in / can't be used: "),
        ("redis://127.0.0.1:9/0", "WRONG  counters: .* see that it runs and can be reached"),
    ],
)
def test_where_limits_count_is_told_and_whether_it_can_be_reached(tmp_path: Path, url: str, said: str) -> None:
    (tmp_path / "otelllm.toml").write_text(
        f'[state]\nurl = "{url}"\n[[limits]]\nscope = "all"\nrequests_per_minute = 1'
    )
    assert re.search(said, doctor(tmp_path, "--url", ELSEWHERE).stdout)


def test_the_policy_is_checked_too(tmp_path: Path) -> None:
    (tmp_path / "otelllm.toml").write_text('[capture]\ncontent = "everything"\n')
    done = doctor(tmp_path)
    assert done.returncode == 1
    assert "WRONG  policy: otelllm.toml:2: " in done.stdout


APP = """
import functools
import openai.resources.embeddings as embeddings
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint="{endpoint}/v1/traces")))
trace.set_tracer_provider(provider)

def patch():
    original = embeddings.Embeddings.create
    @functools.wraps(original)
    def create(*args, **kwargs):
        return original(*args, **kwargs)
    embeddings.Embeddings.create = create

{setup}
"""


@pytest.mark.parametrize("setup", ["patch()", "import otelllm; otelllm.instrument(); patch()"], ids=["inner", "outer"])
def test_an_apps_own_setup_is_seen(tmp_path: Path, receiver: Receiver, setup: str) -> None:
    """Its provider's exporter is tried, and who else has patched is told, whichever of us came first."""
    (tmp_path / "shop.py").write_text(APP.format(endpoint=receiver.endpoint, setup=setup))
    found = told(doctor(tmp_path, "--import", "shop", "--format", "json", "--url", ELSEWHERE))
    assert found["openai"]["patched_by"] == {"shop": ["Embeddings.create"]}
    assert "openai.resources.embeddings:Embeddings.create" in found["openai"]["bound"]
    assert found["spans"]["endpoint"] == f"{receiver.endpoint}/v1/traces"
    assert "otelllm doctor" in [span.name for span in receiver.spans]


def test_an_app_that_cannot_be_imported_is_named(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("raise RuntimeError('no stock')\n")
    done = doctor(tmp_path, "--import", "shop")
    assert (done.returncode, done.stderr) == (1, "otelllm: --import shop: RuntimeError: no stock\n")


def test_each_package_is_told_for_programs(tmp_path: Path) -> None:
    """Version, supported range, what is bound and what isn't, and installed or not."""
    openai = told(doctor(tmp_path, "--format", "json"))["openai"]
    assert openai["oldest"] < openai["version"]
    assert openai["package"] == "openai"
    assert "openai.resources.chat.completions.completions:Completions.create" in openai["bound"]
    assert (openai["not_bound"], openai["patched_by"]) == ([], {})


_OUTSIDER = """
from otelllm.spec import Wrapper

class Framework:
    name = package = "madeup"
    oldest, newest = "1.2", "2.5"
    hooks = (Wrapper("madeup:ask", lambda original: original), Wrapper("madeup:old", lambda original: original, True),
             Wrapper("madeup:gone", lambda original: original))

FRAMEWORK = Framework()
"""


@pytest.fixture
def madeup(tmp_path: Path) -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Runs the doctor beside an installed package of a version, and an outsider's instrumentation of it."""

    def run(version: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "madeup.py").write_text("def ask(): return 'asked'\n")
        (tmp_path / "madeup_hooks.py").write_text(_OUTSIDER)
        info = tmp_path / f"madeup-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: madeup\nVersion: {version}\n")
        (info / "entry_points.txt").write_text("[otelllm.frameworks]\nmadeup = madeup_hooks:FRAMEWORK\n")
        path = os.pathsep.join((str(tmp_path), os.environ.get("PYTHONPATH", "")))
        return doctor(tmp_path, PYTHONPATH=path)

    return run


def test_what_is_not_watched_is_named(madeup: Callable[[str], subprocess.CompletedProcess[str]]) -> None:
    done = madeup("3.0.1")
    assert "WRONG  madeup 3.0.1 (newer than supported: 1.2 to 2.5): not watched are madeup:gone\n" in done.stdout
    assert "       not in this version: old\n" in done.stdout
