"""Every client of the SDK: whose service it speaks to, its own spans, static answers in its types."""

from __future__ import annotations

import inspect
import pickle
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import context, trace
from wire import files
from wire.server import sse, whole

import otelllm
from otelllm import semconv
from otelllm.providers.mistralai import PROVIDER

from .app import LAYOUT, has, library, method, of
from .surfaces import CHAT, TEXT, answer, call, resource

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App

AZURE = "mistralai.azure.client" if LAYOUT == "mistralai.client" else "mistralai_azure"
GOOGLE = "mistralai.gcp.client" if LAYOUT == "mistralai.client" else "mistralai_gcp"


def _azure(url: str, **clients: Any) -> Any:
    kind = import_module(AZURE).MistralAzure
    url_key = "azure_endpoint" if "azure_endpoint" in inspect.signature(kind).parameters else "server_url"
    key = "azure_api_key" if "azure_api_key" in inspect.signature(kind).parameters else "api_key"
    return kind(**{key: "key-test", url_key: url, **clients})


def _google(url: str, **clients: Any) -> Any:
    module = pytest.importorskip(GOOGLE)
    settings = {"project_id": "p", "region": "europe-west4", "access_token": "t", "server_url": url}
    return module.MistralGCP(**settings, **clients)


@pytest.mark.parametrize(("make", "owner"), [(_azure, "azure.ai.inference"), (_google, "gcp.vertex_ai")])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_the_clouds_copies_are_seen(
    otel: Telemetry, app: App, provider: Provider, make: Any, owner: str, streamed: bool
) -> None:
    """Classes of their own, with types of their own: the same span, under the cloud's name."""
    config = app.client.sdk_configuration
    client = make(provider.url.removesuffix("/v1"), client=config.client, async_client=config.async_client)
    provider.reply(sse(files.events("mistral/chat_stream.sse")) if streamed else whole(files.body("mistral/chat.json")))
    name = ("stream" if streamed else "complete") + ("_async" if app.kind == "async" else "")
    got = app.call(getattr(client.chat, name), **CHAT)
    if streamed:
        assert "".join(one.data.choices[0].delta.content for one in app.read(got)) == TEXT
    else:
        assert got.choices[0].message.content == TEXT
    found = otel.attributes
    assert (found[semconv.PROVIDER], found[semconv.USAGE_INPUT], found[semconv.USAGE_OUTPUT]) == (owner, 1200, 50)
    assert found[semconv.RESPONSE_FINISH_REASONS] == ("stop",)


@pytest.mark.parametrize(
    ("url", "host"),
    [("", "api.mistral.ai"), ("https://api.eu.mistral.ai", "api.eu.mistral.ai"), ("http://10.0.0.7:8000", "10.0.0.7")],
)
def test_where_a_client_sends(url: str, host: str) -> None:
    """The default, a region, a server of one's own."""
    client = of("sdk", "Mistral")(api_key="k", **({"server_url": url} if url else {}))
    found = PROVIDER.endpoint(client.chat)
    assert (found.provider, found.address) == ("mistral_ai", host)


def test_methods_keep_their_names_and_kinds(otel: Telemetry) -> None:
    """For inspect and pickle."""
    for target in ("complete", "complete_async", "stream", "stream_async"):
        ours = getattr(of("chat", "Chat"), target)
        assert inspect.iscoroutinefunction(ours) is target.endswith("_async")
        assert pickle.loads(pickle.dumps(ours)) is ours
        assert "messages" in inspect.signature(ours).parameters


@pytest.fixture
def globally(otel: Telemetry, monkeypatch: pytest.MonkeyPatch) -> None:
    """The telemetry of the test is OpenTelemetry's global one; the SDK's own tracing is switched on."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", otel.tracer_provider)
    monkeypatch.setenv("MISTRAL_SDK_TELEMETRY", "global")


traces_itself = pytest.mark.skipif(not has("_hooks.tracing"), reason="mistralai before 1.10 writes no spans of its own")


def _scopes(otel: Telemetry) -> list[str]:
    return [span.instrumentation_scope.name for span in otel.all_spans if span.instrumentation_scope]


@traces_itself
@pytest.mark.usefixtures("globally")
def test_the_sdks_own_spans_do_not_double_ours(otel: Telemetry, app: App, provider: Provider) -> None:
    """One span a call, ours, whole and streamed; and none of its content."""
    for file in ("chat.json", "chat_stream.sse", "embeddings.json", "conversation.json"):
        answer(app, provider, file)
    provider.reply(whole(files.body("mistral/error_429.json"), status=429))
    with pytest.raises(Exception, match="429"):
        call(app, "chat")
    assert _scopes(otel) == ["otelllm"] * 5
    assert TEXT not in otel.everything()


@traces_itself
@pytest.mark.usefixtures("globally")
def test_the_sdks_own_spans_are_left_alone_where_there_is_none_of_ours(
    otel: Telemetry, app: App, provider: Provider
) -> None:
    """A suppressed call, and every call once otelllm is off."""
    token = context.attach(context.set_value("suppress_instrumentation", True))
    answer(app, provider, "chat.json")
    context.detach(token)
    otelllm.uninstrument()
    answer(app, provider, "chat.json")
    assert _scopes(otel) == ["mistralai_sdk_tracer"] * 2


@traces_itself
@pytest.mark.skipif(not has("extra.observability.telemetry", "mistralai"), reason="not in this version")
def test_spans_that_the_app_sends_to_a_place_of_their_own_are_left_alone(
    otel: Telemetry, app: App, provider: Provider
) -> None:
    """Mistral's backend, or whichever tracer provider the app gave this client: it doubles nothing there."""
    from telemetry import Telemetry as Another

    own = Another()
    import_module("mistralai.extra.observability").configure_telemetry(app.client, own.tracer_provider)
    answer(app, provider, "chat.json")
    answer(app, provider, "chat_stream.sse")
    assert _scopes(otel) == ["otelllm"] * 2
    assert _scopes(own) == ["mistralai_sdk_tracer"] * 2
    own.shutdown()


def _words(app: App, got: Any, *, streamed: bool) -> list[str]:
    """The texts of an answer of any kind, or of a stream's events."""
    if streamed:
        data = [one.data for one in app.read(got)]
        if hasattr(data[0], "choices"):
            return [one.choices[0].delta.content or "" for one in data]
        return [one.content if hasattr(one, "content") else one.delta for one in data if "delta" in one.type
                and "added" not in one.type]  # fmt: skip
    if hasattr(got, "choices"):
        return [got.choices[0].message.content]
    return [got.outputs[0].content if hasattr(got, "outputs") else got.output[0].content[0].text]


BACK_SOON: Any = {"kill": [{"when": {"provider": "*"}, "answer": "Back soon."}]}


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("kind", ["chat", "agent", "fim", "conversation", "responses"])
def test_a_switched_off_model_gets_the_static_answer(
    otel: Telemetry, app: App, provider: Provider, kind: str, streamed: bool
) -> None:
    """In the SDK's own types, with no request sent, nothing used and nothing billed."""
    if not has({"conversation": "conversations", "responses": "responses"}.get(kind, "chat")):
        pytest.skip("not in this version")
    otel.instrument(policy=BACK_SOON)
    got = call(app, kind, streamed=streamed)
    said = _words(app, got, streamed=streamed)
    assert "".join(said) == "Back soon."
    assert provider.requests == []
    for name in (semconv.USAGE_INPUT, semconv.USAGE_OUTPUT, semconv.COST, semconv.CONVERSATION_ID):
        assert name not in otel.attributes


def test_a_static_answer_asks_no_hook_and_no_token(otel: Telemetry, app: App, provider: Provider) -> None:
    """The app's own hooks may sign, and its key may be fetched: nothing of it is asked for what is not sent."""

    class Hook:
        asked = 0

        def before_request(self, hook_ctx: Any, request: Any) -> Any:
            Hook.asked += 1
            return request

    config = app.client.sdk_configuration
    config.__dict__["_hooks"].before_request_hooks.append(Hook())
    otel.instrument(policy=BACK_SOON)
    config.security = lambda: pytest.fail("a token was asked for")
    call(app, "chat")
    assert Hook.asked == 0
    assert config.client is not None
    assert type(config.client) is library.Client


def test_two_threads_of_one_client(otel: Telemetry, sync_app: Any, provider: Provider) -> None:
    """Each call its own span, under its own parent."""
    import threading

    provider.always = whole(files.body("mistral/chat.json"))

    def ask(name: str) -> None:
        with otel.tracer.start_as_current_span(name):
            called = method(sync_app.client, resource(sync_app.client, "chat"), "complete")
            for _ in range(5):
                called(**CHAT)

    threads = [threading.Thread(target=ask, args=(name,)) for name in ("one", "two")]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    parents = {one.context.span_id: one.name for one in otel.all_spans if one.name in {"one", "two"}}
    assert sorted(parents[one.parent.span_id] for one in otel.spans if one.parent) == ["one"] * 5 + ["two"] * 5


def test_the_keys_hash_and_the_traces_id(otel: Telemetry, app: App, provider: Provider) -> None:
    """A short hash says which key it was, never the key; the trace goes along where that is asked for."""
    otel.instrument(propagate=True)
    answer(app, provider, "chat.json", http_headers={"x-own": "1"})
    found = otel.attributes
    assert len(str(found[semconv.KEY])) >= 6
    assert "key-test" not in otel.everything()
    sent = provider.last.headers
    assert sent["x-own"] == "1"
    assert f"{otel.span.context.span_id:016x}" in sent["traceparent"]
