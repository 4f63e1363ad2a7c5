"""What instrumenting does to the SDK's classes, and that it is undone."""

from __future__ import annotations

import contextlib
import copy
import inspect
import pickle
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import httpx
import openai
import pytest
from openai.resources.chat.completions.completions import AsyncCompletions, Completions
from openai.resources.completions import AsyncCompletions as AsyncTextCompletions
from openai.resources.completions import Completions as TextCompletions
from openai.resources.embeddings import AsyncEmbeddings, Embeddings
from openai.resources.responses.responses import AsyncResponses, Responses
from wire.server import Gate, sse, whole

import otelllm
from otelllm import semconv

from .surfaces import CHAT, EMBEDDINGS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App, SyncApp

_CLASSES: dict[type, tuple[str, ...]] = {
    Completions: ("create", "parse", "stream"),
    AsyncCompletions: ("create", "parse", "stream"),
    Responses: ("create", "parse", "compact", "retrieve", "stream"),
    AsyncResponses: ("create", "parse", "compact", "retrieve", "stream"),
    TextCompletions: ("create",),
    AsyncTextCompletions: ("create",),
    Embeddings: ("create",),
    AsyncEmbeddings: ("create",),
}
with contextlib.suppress(ImportError):  # not in older versions
    from openai.resources.beta.responses import responses as beta

    _CLASSES |= {beta.Responses: ("create", "compact"), beta.AsyncResponses: ("create", "compact")}
METHODS = [(kind, name) for kind, names in _CLASSES.items() for name in names if name in vars(kind)]
LEAVES = [(kind, name) for kind, name in METHODS if name in {"create", "parse", "compact"}]


@pytest.fixture
def bare() -> Iterator[dict[tuple[type, str], Any]]:
    """Every method as the SDK has it."""
    otelllm.uninstrument()
    yield {(kind, name): kind.__dict__[name] for kind, name in METHODS}
    otelllm.uninstrument()


def test_every_leaf_is_bound_and_given_back(bare: dict[tuple[type, str], Any], otel: Telemetry) -> None:
    """After uninstrument() each class has the very functions that it had."""
    for kind, name in LEAVES:
        assert kind.__dict__[name] is not bare[kind, name], f"{kind.__module__}.{kind.__name__}.{name} is not patched"
    otelllm.uninstrument()
    for (kind, name), original in bare.items():
        assert kind.__dict__[name] is original


def test_instrumenting_twice_is_once(
    bare: dict[tuple[type, str], Any], otel: Telemetry, app: App, provider: Provider
) -> None:
    """One span a call, and one uninstrument() undoes it."""
    patched = {key: key[0].__dict__[key[1]] for key in bare}
    otelllm.instrument(
        tracer_provider=otel.tracer_provider, meter_provider=otel.meter_provider, logger_provider=otel.logger_provider
    )
    assert all(key[0].__dict__[key[1]] is function for key, function in patched.items())
    provider.reply(whole(CHAT.body))
    app.call(CHAT.method(app.client), **CHAT.arguments)
    assert len(otel.spans) == 1
    otelllm.uninstrument()
    otelllm.uninstrument()
    assert all(key[0].__dict__[key[1]] is function for key, function in bare.items())


@pytest.mark.parametrize(("kind", "name"), METHODS, ids=lambda it: it if isinstance(it, str) else it.__name__)
def test_a_patched_method_looks_as_before(
    bare: dict[tuple[type, str], Any], otel: Telemetry, kind: type, name: str
) -> None:
    """Kind, signature, name, documentation, and picklable by its qualified name."""
    before, now = bare[kind, name], getattr(kind, name)
    assert inspect.iscoroutinefunction(now) is inspect.iscoroutinefunction(before)
    assert inspect.signature(now) == inspect.signature(before)
    assert (now.__name__, now.__qualname__, now.__module__) == (before.__name__, before.__qualname__, before.__module__)
    assert now.__doc__ == before.__doc__
    assert inspect.isfunction(now) is inspect.isfunction(before)
    assert pickle.loads(pickle.dumps(now)) is now
    assert copy.deepcopy(now) is now
    assert inspect.get_annotations(now) == inspect.get_annotations(before)


def test_clients_made_before_are_seen(bare: object, provider: Provider, app: App, otel: Telemetry) -> None:
    """The classes are patched, not the clients."""
    otelllm.uninstrument()
    completions = app.client.chat.completions
    otel.instrument()
    provider.reply(whole(CHAT.body))
    app.call(completions.create, **CHAT.arguments)
    assert len(otel.spans) == 1


def test_bound_methods_that_outlive_us_pass_through(otel: Telemetry, app: App, provider: Provider) -> None:
    """A bound method (or raw view) taken while instrumented works after uninstrument() and records nothing."""
    create = app.client.chat.completions.create
    raw = app.client.chat.completions.with_raw_response.create
    otelllm.uninstrument()
    provider.reply(whole(CHAT.body), whole(CHAT.body), sse(CHAT.events))
    assert app.call(create, **CHAT.arguments).id == "chatcmpl-wire1"
    assert app.call(raw, **CHAT.arguments).parse().id == "chatcmpl-wire1"
    assert len(app.read(app.call(create, **CHAT.streaming))) == 13
    assert otel.spans == []


def test_a_stream_that_outlives_us_ends_its_span(otel: Telemetry, app: App, provider: Provider) -> None:
    """Uninstrumented while the app reads: the rest arrives, and the call is still recorded once."""
    provider.reply(sse(CHAT.events))
    stream = app.call(CHAT.method(app.client), **CHAT.streaming)
    first = app.take(stream, 2)
    otelllm.uninstrument()
    assert len(first + app.read(stream)) == 13
    assert len(otel.spans) <= 1


def test_somebody_elses_patch_over_ours_is_theirs(otel: Telemetry, sync_app: SyncApp, provider: Provider) -> None:
    """We don't undo it, our own below it passes through, and instrumenting again makes one span, not two."""
    ours = Completions.__dict__["create"]

    def theirs(self: Any, *args: Any, **kwargs: Any) -> Any:
        return ours(self, *args, **kwargs)

    provider.always = whole(CHAT.body)
    Completions.create = theirs  # type: ignore[method-assign]
    try:
        sync_app.client.chat.completions.create(**CHAT.arguments)
        assert len(otel.spans) == 1
        otelllm.uninstrument()
        assert Completions.__dict__["create"] is theirs
        sync_app.client.chat.completions.create(**CHAT.arguments)
        assert len(otel.spans) == 1
        otel.instrument()
        sync_app.client.chat.completions.create(**CHAT.arguments)
        assert len(otel.spans) == 2
    finally:
        otelllm.uninstrument()
        Completions.create = ours.__wrapped__


def test_the_older_http_library(otel: Telemetry, provider: Provider) -> None:
    """A client on httpx, which the SDK still takes beside httpx2: whole, read to the end, and left early."""
    http = httpx.Client(verify=False)
    with openai.OpenAI(api_key="k", base_url=provider.url, max_retries=0, http_client=http) as client:  # type: ignore[arg-type]
        provider.reply(whole(CHAT.body), sse(CHAT.events), sse(CHAT.events[:3], Gate()))
        client.chat.completions.create(**CHAT.arguments)
        assert len(list(client.chat.completions.create(**CHAT.streaming))) == 13
        with client.chat.completions.create(**CHAT.streaming) as stream:
            next(stream)
    ends = [(span.attributes or {}).get(semconv.STREAM_END) for span in otel.spans]
    assert ends == [None, "complete", "closed"]


def test_clients_copy_and_module_level_calls(otel: Telemetry, sync_app: SyncApp, provider: Provider) -> None:
    """`with_options`, `copy`, and the module's own client go the same way."""
    provider.always = whole(CHAT.body)
    sync_app.client.with_options(max_retries=1).chat.completions.create(**CHAT.arguments)
    sync_app.client.copy().chat.completions.create(**CHAT.arguments)
    sync_app.client.beta.chat.completions.create(**CHAT.arguments)
    assert len(otel.spans) == 3


def test_a_callable_key_is_left_alone(otel: Telemetry, provider: Provider) -> None:
    """The client's constructor is not ours: a key by function is asked for by the SDK only."""
    if not hasattr(openai.OpenAI, "_refresh_api_key"):
        pytest.skip("this openai takes no key by function")
    asked: list[str] = []

    def key() -> str:
        asked.append("asked")
        return "sk-by-function"

    http = openai.DefaultHttpxClient(verify=False)
    with openai.OpenAI(api_key=key, base_url=provider.url, http_client=http) as client:
        provider.reply(whole(EMBEDDINGS.body))
        client.embeddings.create(**EMBEDDINGS.arguments)
    assert asked == ["asked"]
    assert provider.last.headers["authorization"] == "Bearer sk-by-function"


def test_azure_is_told_from_its_client(otel: Telemetry, provider: Provider) -> None:
    """The class says whose service it is where the host is a gateway's; the deployment is the model."""
    http = openai.DefaultHttpxClient(verify=False)
    with openai.AzureOpenAI(
        api_key="k", azure_endpoint=provider.url, api_version="2025-04-01", http_client=http
    ) as client:
        provider.reply(whole(CHAT.body))
        client.chat.completions.create(**CHAT.arguments)
    assert otel.attributes[semconv.PROVIDER] == "azure.ai.openai"


def _python(code: str) -> str:
    script = textwrap.dedent(code)
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def test_instrumenting_imports_no_sdk() -> None:
    """Neither does importing us: the patches wait for the app's own import, and bind then."""
    out = _python("""
        import sys
        import otelllm
        from opentelemetry.sdk.trace import TracerProvider
        otelllm.instrument(tracer_provider=TracerProvider())
        assert not {"openai", "httpx", "httpx2", "genai_prices", "pydantic"} & set(sys.modules), sorted(sys.modules)
        from openai.resources.chat.completions.completions import Completions
        before = Completions.__dict__["create"]
        otelllm.uninstrument()
        print(Completions.__dict__["create"] is not before)
    """)
    assert out == "True"


def test_a_late_instrument_binds_what_is_imported_already() -> None:
    """The app imported the SDK first."""
    out = _python("""
        from openai.resources.chat.completions.completions import Completions
        before = Completions.__dict__["create"]
        import otelllm
        from opentelemetry.sdk.trace import TracerProvider
        otelllm.instrument(tracer_provider=TracerProvider())
        print(Completions.__dict__["create"] is not before)
    """)
    assert out == "True"
