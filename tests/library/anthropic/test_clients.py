"""Every client of the SDK is seen, once, and told apart; its own spans are silent while ours is open."""

from __future__ import annotations

import asyncio
import inspect
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import anthropic
import pytest
from anthropic import _base_client
from anthropic.lib.bedrock import _beta_messages as bedrock
from anthropic.lib.vertex import _beta_messages as vertex
from anthropic.resources.beta.messages import messages as beta
from anthropic.resources.messages import messages as plain
from opentelemetry import context
from wire import files
from wire.server import sse, whole

import otelllm
from otelllm import semconv
from otelllm.providers.anthropic import PROVIDER

from .surfaces import ARGUMENTS, EVENTS, STREAMING, TEXT, WHOLE, open_stream

if TYPE_CHECKING:
    from collections.abc import Callable

    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App

BODY = files.body("anthropic/message.json")
BEDROCK = {"api_key": "k", "aws_region": "us-east-1"}
# Newer versions run tools in a thread that the provider keeps; without one the messages are sent each time.
HAS_THREADS = "thread" in inspect.signature(beta.Messages.tool_runner).parameters
UNTHREADED: dict[str, Any] = {"thread": False} if HAS_THREADS else {}
VERTEX = {"access_token": "t", "region": "us-east5", "project_id": "p"}


@pytest.mark.parametrize(
    ("kind", "options", "name"),
    [
        (anthropic.Anthropic, {"api_key": "k"}, "anthropic"),
        (anthropic.AsyncAnthropic, {"api_key": "k", "base_url": "http://gateway.internal:8080"}, "anthropic"),
        (anthropic.Anthropic, {"api_key": "k", "base_url": "https://api.deepseek.com/anthropic"}, "deepseek"),
        (anthropic.Anthropic, {"api_key": "k", "base_url": "http://localhost:11434"}, "ollama"),
        (anthropic.AnthropicBedrock, BEDROCK, "aws.bedrock"),
        (anthropic.AsyncAnthropicBedrock, {**BEDROCK, "base_url": "http://gateway.internal"}, "aws.bedrock"),
        (anthropic.AnthropicVertex, VERTEX, "gcp.vertex_ai"),
        (anthropic.AsyncAnthropicVertex, {**VERTEX, "base_url": "http://gateway.internal"}, "gcp.vertex_ai"),
        (anthropic.AnthropicAWS, {"api_key": "k", "aws_region": "us-east-1", "workspace_id": "w"}, "anthropic"),
    ],
)
def test_whose_service_a_client_speaks_to(kind: Any, options: dict[str, Any], name: str) -> None:
    """From the base URL, else from the client's class."""
    client = kind(**options)
    assert PROVIDER.endpoint(client.messages).provider == name


@pytest.mark.parametrize("resource", [lambda client: client.messages, lambda client: client.beta.messages])
@pytest.mark.parametrize(
    ("kind", "options", "name"),
    [(anthropic.AnthropicBedrock, BEDROCK, "aws.bedrock"), (anthropic.AnthropicVertex, VERTEX, "gcp.vertex_ai")],
)
def test_bedrock_and_vertex_are_seen_once(
    otel: Telemetry, provider: Provider, kind: Any, options: dict[str, Any], name: str, resource: Callable[[Any], Any]
) -> None:
    """Their beta classes copy the methods that we patch: one span a call all the same, by the platform's name."""
    provider.reply(whole(BODY))
    with kind(**options, base_url=provider.url, max_retries=0) as client:
        assert resource(client).create(**ARGUMENTS).content[0].text == TEXT
        if kind is anthropic.AnthropicVertex:  # Bedrock's streams are no server-sent events
            provider.reply(sse(EVENTS))
            with resource(client).stream(**ARGUMENTS) as stream:
                assert stream.get_final_text() == TEXT
    assert {span.attributes[semconv.PROVIDER] for span in otel.spans if span.attributes} == {name}
    assert len(otel.spans) == len(provider.requests)


OWNERS = [plain.Messages, plain.AsyncMessages, beta.Messages, beta.AsyncMessages, bedrock.Messages,
          bedrock.AsyncMessages, vertex.Messages, vertex.AsyncMessages]  # fmt: skip


@pytest.mark.parametrize("owner", OWNERS, ids=lambda owner: f"{owner.__module__.split('.')[2]}.{owner.__name__}")
def test_patched_methods_look_as_before(otel: Telemetry, owner: Any) -> None:
    """Signature, kind and pickle as before; off means the very functions of before."""
    patched = {name: owner.__dict__[name] for name in ("create", "parse", "stream")}
    otelllm.uninstrument()
    for name, ours in patched.items():
        theirs = owner.__dict__[name]
        assert ours is not theirs
        assert ours.__wrapped__ is theirs
        assert inspect.signature(ours) == inspect.signature(theirs)
        assert inspect.iscoroutinefunction(ours) is inspect.iscoroutinefunction(theirs)
        assert (ours.__name__, ours.__qualname__, ours.__module__) == (
            theirs.__name__, theirs.__qualname__, theirs.__module__)  # fmt: skip
        assert not hasattr(theirs, "__wrapped__") or theirs.__wrapped__ is not ours
    if "beta" not in owner.__module__ or "resources" in owner.__module__:
        assert pickle.loads(pickle.dumps(owner.create)) is owner.create


traces_itself = pytest.mark.skipif(
    not hasattr(_base_client, "start_api_call_span"), reason="anthropic before 1.14 writes no spans of its own"
)


def _traced(make_app: Callable[..., App], otel: Telemetry) -> App:
    return make_app(open_telemetry={"tracer_provider": otel.tracer_provider})


def _scopes(otel: Telemetry) -> list[str]:
    return [span.instrumentation_scope.name for span in otel.all_spans if span.instrumentation_scope]


@traces_itself
def test_the_sdks_own_spans_do_not_double_ours(
    otel: Telemetry, make_app: Callable[..., App], provider: Provider
) -> None:
    """On by default since 1.14: in every way of asking there is one span a call, ours."""
    app = _traced(make_app, otel)
    for surface in STREAMING:
        provider.reply(sse(EVENTS))
        app.read(open_stream(app, surface))
    for surface in WHOLE:
        provider.reply(whole(BODY), whole(BODY))
        app.call(surface.method(app.client), **ARGUMENTS)
        app.call(surface.resource(app.client).with_raw_response.create, **ARGUMENTS)
    assert _scopes(otel) == ["otelllm"] * 8


@traces_itself
def test_the_sdks_own_spans_are_left_alone_where_there_is_none_of_ours(
    otel: Telemetry, make_app: Callable[..., App], provider: Provider
) -> None:
    """Counting tokens, a suppressed call, and every call once otelllm is off."""
    app = _traced(make_app, otel)
    provider.reply(whole({"input_tokens": 3}), whole(BODY), whole(BODY))
    app.call(app.client.messages.count_tokens, model="m", messages=ARGUMENTS["messages"])
    token = context.attach(context.set_value("suppress_instrumentation", True))
    app.call(app.client.messages.create, **ARGUMENTS)
    context.detach(token)
    otelllm.uninstrument()
    app.call(app.client.messages.create, **ARGUMENTS)
    assert _scopes(otel) == ["com.anthropic.sdk.python"] * 3


BACK_SOON: Any = {"kill": [{"when": {"provider": "*"}, "answer": "Back soon."}]}


@pytest.mark.parametrize(
    ("surface", "streamed"),
    [*((one, False) for one in WHOLE), *((one, True) for one in STREAMING)],
    ids=lambda value: getattr(value, "name", "streamed" if value is True else "whole"),
)
def test_a_switched_off_model_gets_the_static_answer(
    otel: Telemetry, app: App, provider: Provider, surface: Any, streamed: bool
) -> None:
    """In the SDK's own types, with no request sent, nothing used and nothing billed."""
    otel.instrument(policy=BACK_SOON)
    if surface.is_manager:
        message = app.within(surface.method(app.client)(**ARGUMENTS), lambda stream: stream.get_final_message())
        assert message.content[0].text == "Back soon."
    elif streamed:
        events = app.read(open_stream(app, surface))
        assert "".join(one.delta.text for one in events if one.type == "content_block_delta") == "Back soon."
    else:
        message = app.call(surface.method(app.client), **ARGUMENTS)
        assert type(message).__name__ in {"Message", "BetaMessage"}
        assert message.content[0].text == "Back soon."
    assert provider.requests == []
    assert otel.attributes[semconv.VERDICT] == "block"
    for name in (semconv.COST, semconv.USAGE_INPUT, semconv.ERROR_TYPE):
        assert name not in otel.attributes


def test_a_long_answer_is_not_asked_to_be_streamed(otel: Telemetry, make_app: Callable[..., App]) -> None:
    """The SDK wants that under its own default timeout only, and the app has another."""
    otel.instrument(policy=BACK_SOON)
    app = make_app(timeout=None)
    message = app.call(app.client.messages.create, **{**ARGUMENTS, "max_tokens": 128_000})
    assert message.content[0].text == "Back soon."


def test_a_platforms_client_gets_the_static_answer_too(otel: Telemetry) -> None:
    """Without a signature, a token or an event stream of its own."""
    otel.instrument(policy=BACK_SOON)
    with anthropic.AnthropicBedrock(**BEDROCK) as client, client.messages.stream(**ARGUMENTS) as stream:
        assert stream.get_final_text() == "Back soon."

    async def ask() -> str:
        async with anthropic.AsyncAnthropicVertex(region="us-east5", project_id="p") as client:
            message = await client.beta.messages.create(**ARGUMENTS)
        return str(message.content[0].text)

    assert asyncio.run(ask()) == "Back soon."


def test_a_schema_is_refused_rather_than_answered_with_a_text(otel: Telemetry, app: App) -> None:
    """A wrong thing of the right type would be worse."""
    otel.instrument(policy=BACK_SOON)
    config: Any = {"format": {"type": "json_schema", "schema": {"type": "object"}}}
    with pytest.raises(otelllm.KillSwitchOn):
        app.call(app.client.messages.create, **ARGUMENTS, output_config=config)


@pytest.mark.slow
def test_instrumented_before_the_import_each_call_is_still_seen_once(provider: Provider) -> None:
    """The copies are then made of our functions, and all of it is undone."""
    program = f"""
import sys; sys.path.insert(0, "tests")
from telemetry import Telemetry
import otelllm
otel = Telemetry(); otel.instrument()
import anthropic
ask = dict(model="m", max_tokens=9, messages=[{{"role": "user", "content": "x"}}])
for kind, more in ((anthropic.Anthropic, dict(api_key="k")), (anthropic.AnthropicVertex, {VERTEX!r})):
    client = kind(base_url={provider.url!r}, max_retries=0, **more)
    client.messages.create(**ask); client.beta.messages.create(**ask)
print(len(otel.spans))
otelllm.uninstrument()
client.beta.messages.create(**ask)
from anthropic.lib.vertex._beta_messages import Messages
print(len(otel.spans), hasattr(Messages.stream, "__wrapped__"))
otel.instrument()
client.beta.messages.create(**ask)
print(len(otel.spans))
"""
    provider.always = whole(BODY)
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert ran.stdout.split() == ["4", "4", "False", "5"], ran.stderr


def test_each_turn_of_a_tool_runner_is_a_call(otel: Telemetry, app: App, provider: Provider) -> None:
    """The SDK asks, runs the tool and asks again: two requests, two spans, as the provider bills them."""
    asked = files.edited("anthropic/message_tools.json")
    provider.reply(whole({**asked, "content": asked["content"][:2]}), whole(BODY))

    def get_weather(city: str, unit: str) -> str:
        """The weather."""
        return f"mild in {city}, {unit}"

    async def aget_weather(city: str, unit: str) -> str:
        """The weather."""
        return get_weather(city, unit)

    if app.kind == "sync":
        tool = anthropic.beta_tool(get_weather)
    else:
        tool = anthropic.beta_async_tool(aget_weather, name="get_weather")
    runner = app.client.beta.messages.tool_runner(**ARGUMENTS, tools=[tool], **UNTHREADED)
    assert app.call(runner.until_done).content[0].text == TEXT
    assert provider.last.json["messages"][-1]["content"][0]["content"] == "mild in Skagen, celsius"
    reasons = [span.attributes[semconv.RESPONSE_FINISH_REASONS] for span in otel.spans if span.attributes]
    assert reasons == [("tool_call",), ("stop",)]
