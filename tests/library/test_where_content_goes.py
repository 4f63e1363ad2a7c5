"""Content that goes elsewhere than on the span: hooks, blobs, keyed hashes; and trace context on request."""

from __future__ import annotations

import base64
import hashlib
import importlib
import json
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anthropic
import fsspec
import openai
import pytest
from google import genai
from opentelemetry.util.genai import types as conventions
from wire import files
from wire.server import sse, whole

import otelllm
from otelllm import blobs, semconv
from otelllm.errors import BadConfig
from otelllm.prefixes import prefix_hashes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry import Telemetry
    from wire.server import Provider

QUESTION = [{"role": "user", "content": "Mail anna@example.com, please."}]
PICTURE = base64.b64encode(b"\x89PNG" + b"x" * 100).decode()


def _ask(provider: Provider, messages: Any = QUESTION, **more: Any) -> Any:
    with openai.OpenAI(api_key="sk-test", base_url=provider.url, max_retries=0) as client:
        return client.chat.completions.create(model="gpt-4o-mini", messages=messages, **more)


PLUGIN = """
class Recorder:
    seen = []

    def __init__(self):
        Recorder.seen.clear()

    def on_completion(self, **told):
        told["span"].set_attribute("gen_ai.input.messages_ref", "there")
        Recorder.seen.append(told)


class Broken:
    def on_completion(self, **told):
        raise RuntimeError("no room")


def unmakable():
    raise RuntimeError("no configuration")
"""


@pytest.fixture
def hooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A package with hooks, installed as somebody's would be: its module, and its entry points beside it."""
    (tmp_path / "content_hooks.py").write_text(PLUGIN)
    folder = tmp_path / "content_hooks-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: content-hooks\nVersion: 1.0\n")
    names = {"recorder": "Recorder", "broken": "Broken", "unmakable": "unmakable"}
    lines = [f"{name} = content_hooks:{what}" for name, what in names.items()]
    (folder / "entry_points.txt").write_text("\n".join(["[opentelemetry_genai_completion_hook]", *lines]))
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("content_hooks")
    del sys.modules["content_hooks"]


@pytest.mark.parametrize(
    ("capture", "address"), [("off", "[redacted:email]"), ("redacted", "[redacted:email]"), ("full", "anna@")]
)
def test_a_completion_hook_gets_the_conventions_classes(
    otel: Telemetry, answering: Provider, hooks: Any, monkeypatch: pytest.MonkeyPatch, capture: str, address: str
) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_COMPLETION_HOOK", "recorder")
    otel.instrument(capture=capture)
    tools: Any = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
    _ask(answering, tools=tools)
    (told,) = hooks.Recorder.seen
    assert isinstance(told["inputs"][0], conventions.InputMessage)
    assert address.strip("[]").split(":")[0] in told["inputs"][0].parts[0].content
    assert isinstance(told["outputs"][0].parts[0], conventions.TextPart)
    assert told["tool_definitions"][0].name == "look"
    assert otel.attributes["gen_ai.input.messages_ref"] == "there"
    assert (semconv.INPUT_MESSAGES in otel.attributes) is (capture != "off")


@pytest.mark.usefixtures("hooks")
@pytest.mark.parametrize("name", ["broken", "unmakable", "missing"])
def test_a_hook_that_fails_costs_nothing_else(
    otel: Telemetry, answering: Provider, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    monkeypatch.setattr("otelllm.safely._strict", False)
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_COMPLETION_HOOK", name)
    otel.instrument(capture="full")
    _ask(answering)
    assert semconv.INPUT_MESSAGES in otel.attributes
    assert "completion hook" in caplog.text or "COMPLETION_HOOK" in caplog.text


def test_opentelemetrys_own_hook_uploads(
    otel: Telemetry, answering: Provider, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """opentelemetry-util-genai's `upload`: files by fsspec, references on the span."""
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_COMPLETION_HOOK", "upload")
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_UPLOAD_BASE_PATH", str(tmp_path))
    otel.instrument()
    _ask(answering)
    (reference,) = [str(value) for name, value in otel.attributes.items() if name == "gen_ai.input.messages_ref"]
    file = Path(reference.removeprefix("file://"))
    for _ in range(500):
        if file.is_file() and file.read_text().strip():
            break
        threading.Event().wait(0.01)
    assert "[redacted:email]" in file.read_text()


def test_blobs_go_where_fsspec_goes(otel: Telemetry, answering: Provider) -> None:
    files_in_memory = fsspec.filesystem("memory")
    otel.instrument(policy={"capture": {"content": "full", "blobs": "memory://pictures"}}, capture=None)
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}}
    for _ in range(2):
        _ask(answering, [{"role": "user", "content": [picture]}])
    assert otelllm.flush()
    (path,) = files_in_memory.ls("/pictures", detail=False)
    assert files_in_memory.cat(path) == base64.b64decode(PICTURE)
    (part,) = json.loads(str((otel.spans[0].attributes or {})[semconv.INPUT_MESSAGES]))[0]["parts"]
    assert part["uri"] == f"memory://pictures/{path.rpartition('/')[2]}"
    files_in_memory.rm("/pictures", recursive=True)


def test_blobs_are_stored_once_by_their_hash(otel: Telemetry, answering: Provider, tmp_path: Path) -> None:
    folder = tmp_path / "blobs"
    otel.instrument(policy={"capture": {"content": "full", "blobs": str(folder)}}, capture=None)
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}}
    for _ in range(2):
        _ask(answering, [{"role": "user", "content": [picture]}])
    assert otelllm.flush()
    (part,) = json.loads(str((otel.spans[0].attributes or {})[semconv.INPUT_MESSAGES]))[0]["parts"]
    data = base64.b64decode(PICTURE)
    (file,) = folder.iterdir()
    assert file.read_bytes() == data
    assert part["uri"] == file.as_uri()
    assert part["sha256"] == hashlib.sha256(data).hexdigest() == file.stem


def test_a_place_that_refuses_blobs_is_counted_and_costs_nothing_else(
    otel: Telemetry, answering: Provider, tmp_path: Path
) -> None:
    folder = tmp_path / "blobs"
    otel.instrument(policy={"capture": {"content": "full", "blobs": str(folder)}}, capture=None)
    folder.rmdir()
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}}
    _ask(answering, [{"role": "user", "content": [picture]}])
    store = blobs.kept_in()
    assert store is not None
    assert store.flush(5)
    assert store.left_out == 1
    assert otel.spans


def test_a_place_that_cannot_be_is_bad_config(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadConfig, match="blobs"):
        otelllm.instrument(policy={"capture": {"blobs": str(tmp_path / "file" / "folder")}})
    with pytest.raises(BadConfig, match="blobs"):
        otelllm.instrument(policy={"capture": {"blobs": "nosuch://bucket/x"}})


def _turns(count: int) -> list[dict[str, Any]]:
    return [{"role": "user", "parts": [{"type": "text", "content": str(number)}]} for number in range(count)]


def test_the_next_turn_has_the_prefixes_of_this_one() -> None:
    for count in (1, 2, 7, 8, 9, 40, 300):
        now, later = prefix_hashes(b"k", None, _turns(count)), prefix_hashes(b"k", None, _turns(count + 2))
        assert now[0] in later
        assert len(later) <= 16
        assert len(set(later)) == len(later)
    assert prefix_hashes(b"k", None, _turns(3)) != prefix_hashes(b"other", None, _turns(3))
    assert prefix_hashes(b"k", ["s"], _turns(3)) != prefix_hashes(b"k", None, _turns(3))
    assert prefix_hashes(b"k", None, None) == []


@pytest.mark.parametrize("key", [None, "team"])
def test_prefixes_are_written_only_with_a_key(
    otel: Telemetry, answering: Provider, monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    if key:
        monkeypatch.setenv("OTELLLM_PREFIX_KEY", key)
    otel.instrument()
    _ask(answering)
    assert (semconv.CONTENT_PREFIX in otel.attributes) is bool(key)
    assert "anna" not in otel.everything()


@pytest.mark.parametrize("asked", [None, True])
def test_trace_context_goes_along_only_when_asked(otel: Telemetry, answering: Provider, asked: bool | None) -> None:
    otel.instrument(propagate=asked)
    _ask(answering, extra_headers={"x-mine": "1"})
    headers = {name.lower(): value for name, value in answering.last.headers.items()}
    assert headers["x-mine"] == "1"
    context = otel.span.context
    told = headers.get("traceparent", "")
    assert told.startswith(f"00-{context.trace_id:032x}-{context.span_id:016x}-") if asked else not told


def test_trace_context_by_a_manager_and_by_another_sdk(otel: Telemetry, provider: Provider) -> None:
    otel.instrument(propagate=True)
    provider.reply(sse(files.events("anthropic/message_stream.sse")))
    question: Any = {"model": "claude-sonnet-4-6", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    base = provider.url.removesuffix("/v1")
    with (
        anthropic.Anthropic(api_key="sk", base_url=base, max_retries=0) as client,
        client.messages.stream(**question) as stream,
    ):
        stream.until_done()
    assert f"{otel.span.context.span_id:016x}" in provider.last.headers["traceparent"]
    otel.clear()
    http = genai.types.HttpOptions(base_url=base, api_version="v1beta")
    for config in (None, {"temperature": 0.5}, genai.types.GenerateContentConfig(temperature=0.5)):
        provider.reply(whole(files.body("google/generate.json")))
        with genai.Client(api_key="k", http_options=http) as gemini:
            gemini.models.generate_content(model="gemini-2.5-flash", contents="hi", config=config)
        assert f"{otel.span.context.span_id:016x}" in provider.last.headers["traceparent"]
        otel.clear()
