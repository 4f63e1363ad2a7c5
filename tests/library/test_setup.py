"""`instrument()`: whose OpenTelemetry it uses, what the environment decides, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from program import environment, run, write
from receiver import Receiver, attributes
from wire.server import Provider

import otelllm
from otelllm.export import BATCH_BYTES

if TYPE_CHECKING:
    from telemetry import Telemetry


pytestmark = pytest.mark.slow  # programs of their own: a process has one global provider

OWN_PROVIDER = """
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    kept = InMemorySpanExporter()
    own = TracerProvider()
    own.add_span_processor(SimpleSpanProcessor(kept))
"""


def _succeeds(tmp_path: Path, variables: dict[str, str], *code: str) -> str:
    done = run(write(tmp_path / "program.py", *code), variables)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def test_an_apps_own_tracer_provider_is_used(tmp_path: Path, answering: Provider) -> None:
    """An app that set OpenTelemetry up before keeps its exporters; ours are not even imported."""
    _succeeds(tmp_path, environment(answering), OWN_PROVIDER, """
        trace.set_tracer_provider(own)
        otelllm.instrument()
        ask("hello")
        assert [one.name for one in kept.get_finished_spans()] == ["chat gpt-4o-mini"]
        assert "opentelemetry.exporter.otlp.proto.http.trace_exporter" not in sys.modules
    """)  # fmt: skip


def test_without_a_provider_spans_go_to_the_endpoint_of_the_environment(
    tmp_path: Path, receiver: Receiver, answering: Provider
) -> None:
    """OTEL_* are honoured: endpoint, service name, resource attributes, headers."""
    variables = environment(
        answering,
        OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
        OTEL_SERVICE_NAME="shop",
        OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test",
        OTEL_EXPORTER_OTLP_HEADERS="x-project=blue",
        OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
    )
    _succeeds(tmp_path, variables, "otelllm.instrument()\nask('hello')\n")
    receiver.wait(lambda: len(receiver.spans) == 1)
    assert receiver.resources[0]["service.name"] == "shop"
    assert receiver.resources[0]["deployment.environment.name"] == "test"
    assert receiver.headers[0]["x-project"] == "blue"
    assert receiver.headers[0]["content-encoding"] == "gzip"


def test_arguments_win_over_the_environment(tmp_path: Path, receiver: Receiver, answering: Provider) -> None:
    """service_name and endpoint as arguments, capture too."""
    variables = environment(
        answering,
        receiver.endpoint,
        OTEL_SERVICE_NAME="shop",
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
        OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT="NO_CONTENT",
    )
    _succeeds(tmp_path, variables, """
        otelllm.instrument(service_name="argument", endpoint=os.environ["ENDPOINT"], capture="full")
        ask("hello")
    """)  # fmt: skip
    receiver.wait(lambda: len(receiver.spans) == 1)
    assert receiver.resources[0]["service.name"] == "argument"
    assert "hello" in attributes(receiver.spans[0])["gen_ai.input.messages"]


@pytest.mark.parametrize("word", ["SPAN_ONLY", "true"])
def test_capture_is_turned_on_by_opentelemetrys_own_variable(
    tmp_path: Path, receiver: Receiver, answering: Provider, word: str
) -> None:
    """The conventions' variable, in today's words and in the older packages'."""
    variables = environment(answering, receiver.endpoint, OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=word)
    _succeeds(tmp_path, variables, 'otelllm.instrument(endpoint=os.environ["ENDPOINT"])\nask("hello")\n')
    receiver.wait(lambda: len(receiver.spans) == 1)
    assert "hello" in attributes(receiver.spans[0])["gen_ai.input.messages"]


def test_event_only_puts_content_on_the_event(tmp_path: Path, receiver: Receiver, answering: Provider) -> None:
    """EVENT_ONLY: the span has none, the log event `gen_ai.client.inference.operation.details` has the messages."""
    variables = environment(
        answering, receiver.endpoint, OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT="EVENT_ONLY"
    )
    _succeeds(tmp_path, variables, 'otelllm.instrument(endpoint=os.environ["ENDPOINT"])\nask("hello")\n')
    receiver.wait(lambda: bool(receiver.spans and receiver.logs))
    assert "gen_ai.input.messages" not in attributes(receiver.spans[0])
    event = receiver.logs[0]
    assert event.event_name == "gen_ai.client.inference.operation.details"
    assert event.span_id == receiver.spans[0].span_id
    assert "hello" in str(event)


def test_a_disabled_sdk_makes_no_spans_and_breaks_nothing(
    tmp_path: Path, receiver: Receiver, answering: Provider
) -> None:
    """OTEL_SDK_DISABLED: calls work, nothing is sent."""
    variables = environment(answering, receiver.endpoint, OTEL_SDK_DISABLED="true")
    _succeeds(tmp_path, variables, """
        otelllm.instrument(endpoint=os.environ["ENDPOINT"])
        assert ask("hello").choices
        assert otelllm.flush()
    """)  # fmt: skip
    assert receiver.spans == []


def test_otelllm_disabled_patches_nothing(tmp_path: Path, answering: Provider) -> None:
    """OTELLLM_DISABLED: as if it were not there."""
    _succeeds(tmp_path, environment(answering, OTELLLM_DISABLED="1"), OWN_PROVIDER, """
        before = openai.resources.chat.completions.Completions.create
        otelllm.instrument(tracer_provider=own)
        assert openai.resources.chat.completions.Completions.create is before
        ask("hello")
        assert kept.get_finished_spans() == ()
    """)  # fmt: skip


def test_instrument_imports_no_provider_sdk(tmp_path: Path, answering: Provider) -> None:
    """It waits for the app's own import, and patches then."""
    program = tmp_path / "program.py"
    program.write_text(
        "import sys, otelllm\n"
        "otelllm.instrument(endpoint='http://127.0.0.1:9')\n"
        "assert 'openai' not in sys.modules\n"
        "import openai\n"
        "from openai.resources.chat.completions import Completions\n"
        "assert hasattr(Completions.create, '__wrapped__')\n"
        "otelllm.uninstrument()\n"
        "assert 'otelllm' not in Completions.create.__code__.co_filename\n"
    )
    done = run(program, environment(answering, OTEL_TRACES_EXPORTER="none"))
    assert (done.returncode, done.stderr) == (0, "")


def test_console_and_none_exporters_are_honoured(tmp_path: Path, answering: Provider) -> None:
    """OTEL_TRACES_EXPORTER=console prints spans."""
    out = _succeeds(
        tmp_path, environment(answering, OTEL_TRACES_EXPORTER="console"), "otelllm.instrument()\nask('hello')\n"
    )
    assert '"gen_ai.request.model": "gpt-4o-mini"' in out


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER 'zipkin' is not one of otlp, console, none"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "soap"}, "OTEL_EXPORTER_OTLP_PROTOCOL 'soap' is not one of"),
        ({"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "some"}, "'some' is not one of NO_CONTENT"),
        ({"OTELLLM_ON_BAD_POLICY": "maybe"}, "OTELLLM_ON_BAD_POLICY 'maybe' is not one of exit, block, off"),
    ],
)
def test_bad_settings_name_the_value_and_the_way_out(
    tmp_path: Path, answering: Provider, variables: dict[str, str], says: str
) -> None:
    """A `BadConfig` at start; a retry with a good setting works, for nothing was half done."""
    out = _succeeds(tmp_path, environment(answering, **variables), f"""
        try:
            otelllm.instrument()
        except otelllm.BadConfig as error:
            assert {says!r} in str(error), error
            print("refused")
        os.environ.pop({next(iter(variables))!r})
        os.environ["OTEL_TRACES_EXPORTER"] = "none"
        otelllm.instrument()
        assert ask("hello").choices
    """)  # fmt: skip
    assert out == "refused\n"


def test_an_unknown_capture_is_refused() -> None:
    """The argument's value is named."""
    with pytest.raises(otelllm.BadConfig, match="capture 'everything' is not one of 'off', 'redacted', 'full'"):
        otelllm.instrument(capture="everything")  # type: ignore[arg-type]


def test_instrumenting_twice_counts_once(otel: Telemetry, answering: Provider) -> None:
    """The second call does nothing."""
    import openai

    otelllm.instrument()
    client = openai.OpenAI(api_key="k", base_url=answering.url, max_retries=0)
    client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "hello"}])
    client.close()
    assert len(otel.spans) == 1


def test_batches_are_cut_by_bytes(tmp_path: Path, receiver: Receiver, answering: Provider) -> None:
    """Ten spans of a megabyte each arrive in requests that a server with a 4 MB limit takes."""
    _succeeds(tmp_path, environment(answering, receiver.endpoint), """
        otelllm.instrument(endpoint=os.environ["ENDPOINT"], capture="full")
        for _ in range(10):
            ask([{"type": "text", "text": "x" * 60_000}] * 16)
    """)  # fmt: skip
    receiver.wait(lambda: len(receiver.spans) == 10)
    assert max(int(headers["content-length"]) for headers in receiver.headers) <= BATCH_BYTES + 100_000


def test_the_policy_file_is_refused_with_its_place(tmp_path: Path, answering: Provider) -> None:
    """A broken otelllm.toml stops `instrument()` with file, line, value and the way out."""
    (tmp_path / "otelllm.toml").write_text('[capture]\ncontent = "everything"\n')
    file = write(tmp_path / "program.py", f"""
        os.chdir({str(tmp_path)!r})
        try:
            otelllm.instrument()
        except otelllm.BadConfig as error:
            print(error)
    """)  # fmt: skip
    done = run(file, environment(answering))
    assert done.returncode == 0
    assert "otelllm.toml:2" in done.stdout
    assert "'everything'" in done.stdout
