"""Azure's clients: deployments in the path, an API version in the query, filter results in the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai
import pytest
from driving import tls
from opentelemetry.trace import StatusCode
from wire import files
from wire.server import sse, whole

import otelllm
from otelllm import semconv

from .app import AsyncApp, SyncApp
from .media import GENERATE, SPEAK, TRANSCRIBE
from .surfaces import CHAT, COMPLETIONS, EMBEDDINGS, RESPONSES, Surface

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App

VERSION = "2025-04-01-preview"


class SyncAzure(SyncApp):
    """`openai.AzureOpenAI`."""

    def __init__(self, url: str, **options: Any) -> None:
        options.setdefault("azure_endpoint", url.removesuffix("/v1"))
        http = openai.DefaultHttpxClient(verify=tls())
        self.client = openai.AzureOpenAI(
            **{"api_key": "azure-key", "api_version": VERSION, "max_retries": 0, "http_client": http, **options}
        )


class AsyncAzure(AsyncApp):
    """`openai.AsyncAzureOpenAI`."""

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__(url)
        options.setdefault("azure_endpoint", url.removesuffix("/v1"))
        http = openai.DefaultAsyncHttpxClient(verify=tls())
        self.client = openai.AsyncAzureOpenAI(
            **{"api_key": "azure-key", "api_version": VERSION, "max_retries": 0, "http_client": http, **options}
        )


@pytest.fixture
def kinds() -> tuple[Any, Any]:
    """The sync and the async app."""
    return SyncAzure, AsyncAzure


PATHS = {
    CHAT: "/openai/deployments/gpt-4o-mini/chat/completions",
    COMPLETIONS: "/openai/deployments/gpt-3.5-turbo-instruct/completions",
    EMBEDDINGS: "/openai/deployments/text-embedding-3-small/embeddings",
    RESPONSES: "/openai/responses",
}


@pytest.mark.parametrize("surface", PATHS, ids=lambda surface: surface.name)
def test_a_whole_answer(otel: Telemetry, app: App, provider: Provider, surface: Surface) -> None:
    """The deployment is the request's model, the answer's is what it is priced by; the path is the SDK's own."""
    provider.reply(whole(surface.body))
    app.call(surface.method(app.client), **surface.arguments)
    assert provider.last.path == f"{PATHS[surface]}?api-version={VERSION}"
    found = otel.attributes
    assert (otel.span.name, found[semconv.PROVIDER]) == (surface.span_name, "azure.ai.openai")
    assert (found[semconv.SERVER_ADDRESS], found[semconv.SERVER_PORT]) == ("127.0.0.1", provider.port)
    assert (found[semconv.USAGE_INPUT], found.get(semconv.USAGE_OUTPUT)) == surface.tokens
    assert "azure-key" not in otel.everything()


def test_a_deployment_named_as_nobody_would_guess(otel: Telemetry, app: App, provider: Provider) -> None:
    """Priced by the model that answered."""
    provider.reply(whole(files.body("openai/chat_azure.json")))
    app.call(app.client.chat.completions.create, **{**CHAT.arguments, "model": "team-blue"})
    assert otel.span.name == "chat team-blue"
    assert otel.attributes[semconv.RESPONSE_MODEL] == "gpt-4o-mini-2024-07-18"
    assert otel.attributes[semconv.COST_STATUS] == "exact"


@pytest.mark.slow
@pytest.mark.parametrize("how", ["azure_deployment", "base_url"])
def test_a_client_of_one_deployment(
    otel: Telemetry, make_app: Callable[..., App], provider: Provider, how: str
) -> None:
    """The client knows its deployment; or it is given a gateway's base URL, in which nothing says Azure."""
    endpoint = provider.url.removesuffix("/v1")
    options: dict[str, Any] = (
        {"azure_deployment": "team-blue"} if how == "azure_deployment"
        else {"azure_endpoint": None, "base_url": f"{endpoint}/gateway"}
    )  # fmt: skip
    app = make_app(**options)
    provider.reply(whole(files.body("openai/chat_azure.json")))
    app.call(app.client.chat.completions.create, **CHAT.arguments)
    path = "/openai/deployments/team-blue" if how == "azure_deployment" else "/gateway/deployments/gpt-4o-mini"
    assert provider.last.path == f"{path}/chat/completions?api-version={VERSION}"
    assert otel.attributes[semconv.PROVIDER] == "azure.ai.openai"


def test_a_stream_that_begins_with_filter_results(otel: Telemetry, app: App, provider: Provider) -> None:
    """A leading chunk without choices, id or model is no token, and the app gets it as it is."""
    otel.instrument(capture="full")
    events = files.events("openai/chat_stream_azure.sse")
    provider.reply(sse(events))
    chunks = app.read(app.call(app.client.chat.completions.create, **CHAT.streaming))
    assert len(chunks) == len(events) - 1
    assert (chunks[0].choices, chunks[0].id) == ([], "")
    found = otel.attributes
    assert (found[semconv.RESPONSE_ID], found[semconv.STREAM_END]) == ("chatcmpl-wire2", "complete")
    assert found[semconv.RESPONSE_TIME_TO_FIRST_CHUNK] < found[semconv.TTFT]
    assert (found[semconv.USAGE_INPUT], found[semconv.USAGE_OUTPUT]) == CHAT.tokens
    assert otel.messages(semconv.OUTPUT_MESSAGES)[0]["parts"][0]["content"].startswith("The lighthouse")


def test_a_prompt_that_its_filter_refuses(otel: Telemetry, app: App, provider: Provider) -> None:
    """Azure's content filter: an error by its code, its text not on the span."""
    provider.reply(whole(files.body("openai/error_400_filter.json"), status=400, apim_request_id="apim-1",
                         x_request_id=""))  # fmt: skip
    with pytest.raises(openai.BadRequestError):
        app.call(app.client.chat.completions.create, **CHAT.arguments)
    assert otel.attributes[semconv.ERROR_TYPE] == "content_filter"
    assert otel.attributes[semconv.PROVIDER_REQUEST_ID] == "apim-1"
    assert otel.span.status.status_code is StatusCode.ERROR


def test_a_token_provider(otel: Telemetry, make_app: Callable[..., App], provider: Provider) -> None:
    """Entra tokens, asked for anew with each request: as ever, and nowhere on the span."""
    app = make_app(api_key=None, azure_ad_token_provider=lambda: "entra-token")
    provider.reply(whole(CHAT.body))
    app.call(app.client.chat.completions.create, **CHAT.arguments)
    assert provider.last.headers["authorization"] == "Bearer entra-token"
    assert "entra-token" not in otel.everything()


@pytest.mark.slow
@pytest.mark.parametrize("media", [GENERATE, SPEAK, TRANSCRIBE], ids=lambda media: media.name)
def test_pictures_and_sound(otel: Telemetry, app: App, provider: Provider, media: Any) -> None:
    """The same surfaces, through deployments."""
    provider.reply(media.reply())
    media.call(app)
    assert provider.last.path.startswith(f"/openai/deployments/{media.model}/")
    assert (otel.span.name, otel.attributes[semconv.PROVIDER]) == (media.span_name, "azure.ai.openai")


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_static_answer(otel: Telemetry, app: App, provider: Provider, streamed: bool) -> None:
    """The kill switch answers through a copy of the same client: nothing is sent, no token is asked for."""
    otel.instrument(policy={"kill": [{"when": {"provider": "azure.ai.openai"}, "answer": "Closed."}]})
    answer = app.call(app.client.chat.completions.create, **(CHAT.streaming if streamed else CHAT.arguments))
    if streamed:
        text = "".join(chunk.choices[0].delta.content or "" for chunk in app.read(answer))
    else:
        text = answer.choices[0].message.content
    assert text == "Closed."
    assert provider.requests == []
    assert otel.attributes[semconv.VERDICT] == "block"


@pytest.mark.slow
def test_refused(otel: Telemetry, app: App, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    """By provider, as a policy names it."""
    monkeypatch.setenv("OTELLLM_KILL", "provider:azure.ai.openai")
    otel.instrument()
    with pytest.raises(otelllm.KillSwitchOn):
        app.call(app.client.chat.completions.create, **CHAT.arguments)
    assert provider.requests == []
