"""The kill switch on real clients: refused, or answered in the SDK's own types, without a request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openai
import pydantic
import pytest

import otelllm
from otelllm import setup
from otelllm.policy import from_mapping

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider

pytestmark = pytest.mark.slow

MESSAGES: Any = [{"role": "user", "content": "hello"}]
BACK_SOON: Any = {"kill": [{"when": {"feature": "support"}, "answer": "Back soon."}]}


@pytest.fixture
def client(provider: Provider) -> Iterator[openai.OpenAI]:
    """A client of the provider on loopback, which fails the test where it is asked at all."""
    with openai.OpenAI(api_key="k", base_url=provider.url, max_retries=0) as it:
        yield it


def _whole(client: openai.OpenAI) -> str | None:
    answer = client.chat.completions.create(model="m", messages=MESSAGES)
    assert type(answer).__name__ == "ChatCompletion"
    return answer.choices[0].message.content


def _stream(client: openai.OpenAI) -> str:
    stream = client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
    assert isinstance(stream, openai.Stream)
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream)


def _helper(client: openai.OpenAI) -> str | None:
    with client.chat.completions.stream(model="m", messages=MESSAGES) as stream:
        return stream.get_final_completion().choices[0].message.content


def _raw(client: openai.OpenAI) -> str | None:
    view = client.chat.completions.with_raw_response.create(model="m", messages=MESSAGES)
    assert view.http_response.status_code == 200
    return view.parse().choices[0].message.content


def _streaming_view(client: openai.OpenAI) -> str | None:
    with client.chat.completions.with_streaming_response.create(model="m", messages=MESSAGES) as view:
        return view.parse().choices[0].message.content


def _responses(client: openai.OpenAI) -> str:
    return client.responses.create(model="m", input="hello").output_text


def _responses_stream(client: openai.OpenAI) -> str:
    with client.responses.stream(model="m", input="hello") as stream:
        return stream.get_final_response().output_text


def _completions(client: openai.OpenAI) -> str:
    return client.completions.create(model="m", prompt="hello").choices[0].text


@pytest.mark.parametrize(
    "ask", [_whole, _stream, _helper, _raw, _streaming_view, _responses, _responses_stream, _completions]
)
def test_a_switched_off_feature_gets_the_static_answer(
    otel: Telemetry, client: openai.OpenAI, ask: Callable[[openai.OpenAI], str | None]
) -> None:
    """In every way of asking, in the SDK's own types, with no request sent; the span says which rule."""
    otel.instrument(policy=BACK_SOON)
    with otelllm.context(feature="support"):
        assert ask(client) == "Back soon."
    span = otel.span
    assert span.attributes is not None
    assert span.attributes["otelllm.verdict"] == "block"
    assert span.attributes["otelllm.policy.version"]
    assert [event.name for event in span.events] == ["otelllm.decision"]
    assert "otelllm.cost.usd" not in span.attributes


def test_an_async_client_gets_the_static_answer_too(otel: Telemetry, provider: Provider) -> None:
    """Whole and streamed."""
    otel.instrument(policy=BACK_SOON)

    async def main() -> tuple[str | None, str]:
        async with openai.AsyncOpenAI(api_key="k", base_url=provider.url, max_retries=0) as client:
            with otelllm.context(feature="support"):
                whole = await client.chat.completions.create(model="m", messages=MESSAGES)
                stream = await client.chat.completions.create(model="m", messages=MESSAGES, stream=True)
                text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
        return whole.choices[0].message.content, text

    assert asyncio.run(main()) == ("Back soon.", "Back soon.")


def test_without_an_answer_the_app_gets_kill_switch_on(otel: Telemetry, client: openai.OpenAI) -> None:
    """The refusal says rule and scope; the span is an error of that name; other features go on."""
    otel.instrument(policy={"kill": [{"name": "bad day", "when": {"feature": "support"}}]})
    with otelllm.context(feature="support"), pytest.raises(otelllm.KillSwitchOn) as refused:
        client.chat.completions.create(model="m", messages=MESSAGES)
    assert refused.value.rule == "bad day"
    assert "support" in refused.value.scope
    assert otel.attributes["otelllm.verdict"] == "block"
    assert otel.span.status.status_code.name == "ERROR"


def test_what_has_no_text_to_answer_is_refused(otel: Telemetry, client: openai.OpenAI) -> None:
    """Embeddings, and a parse whose schema a text does not meet: never a wrong thing of the right type."""
    otel.instrument(policy=BACK_SOON)
    with otelllm.context(feature="support"):
        with pytest.raises(otelllm.KillSwitchOn):
            client.embeddings.create(model="m", input="hello")

        class Invoice(pydantic.BaseModel):
            total: int

        with pytest.raises(otelllm.KillSwitchOn):
            client.chat.completions.parse(model="m", messages=MESSAGES, response_format=Invoice)


def test_a_shadow_rule_only_tells(otel: Telemetry, client: openai.OpenAI, answering: Provider) -> None:
    """The provider is asked; the event says what would have happened."""
    otel.instrument(policy={"kill": [{"mode": "shadow", "when": {"model": "m*"}}]})
    client.chat.completions.create(model="m", messages=MESSAGES)
    (event,) = otel.span.events
    assert event.attributes is not None
    assert event.attributes["outcome"] == "would_block"
    assert "otelllm.verdict" not in otel.attributes


def test_the_kill_variable_is_in_force(otel: Telemetry, client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    """OTELLLM_KILL, read at start."""
    monkeypatch.setenv("OTELLLM_KILL", "model:gpt-4*")
    otel.instrument()
    with pytest.raises(otelllm.KillSwitchOn):
        client.chat.completions.create(model="gpt-4o", messages=MESSAGES)


def test_enforcement_goes_on_without_a_tracer(
    client: openai.OpenAI, answering: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OTEL_SDK_DISABLED drops spans, not the policy."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    otelllm.instrument(policy={"kill": [{"when": {"model": "off"}}]})
    try:
        with pytest.raises(otelllm.KillSwitchOn):
            client.chat.completions.create(model="off", messages=MESSAGES)
        client.chat.completions.create(model="on", messages=MESSAGES)
    finally:
        otelllm.uninstrument()


def test_the_file_is_followed_while_the_app_runs(
    otel: Telemetry, client: openai.OpenAI, answering: Provider, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Switched on within a second of saving; a broken edit is reported and changes nothing; switched off again."""
    file = tmp_path / "otelllm.toml"
    file.write_text("")
    otel.instrument(policy=file)

    def is_on() -> bool:
        try:
            client.chat.completions.create(model="m", messages=MESSAGES)
        except otelllm.KillSwitchOn:
            return True
        return False

    def until(ready: Callable[[], bool]) -> None:
        end = time.monotonic() + 10
        while not ready():
            assert time.monotonic() < end, "waited in vain"

    assert not is_on()
    file.write_text('[[kill]]\nwhen = { model = "m" }\n')
    until(is_on)
    file.write_text("[[kill]]\nwhen = { modle = 1 }\n")
    until(lambda: "otelllm keeps its old policy" in caplog.text)
    assert f"{file}:2" in caplog.text
    assert is_on()
    file.write_text("")
    until(lambda: not is_on())


def test_a_switch_of_the_collector_is_obeyed_though_the_rest_of_its_policy_does_not_fit_the_apps(
    otel: Telemetry, client: openai.OpenAI, answering: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    eu = {"name": "eu", "provider": "openai", "base_url": "https://eu.example.com/v1"}
    otel.instrument(policy={"endpoints": [eu], "service": {"url": "http://127.0.0.1:9"}})
    running = setup._running
    assert running is not None
    running.was_served(from_mapping({"outputs": [{"max_max_tokens": 7}]}))
    us = {**eu, "name": "us", "base_url": "https://us.example.com/v1"}
    wrong = {"endpoints": [us], "fallbacks": [{"model": "m", "to": ["m@us"]}], "kill": [{"when": {"model": "m"}}]}
    running.was_served(from_mapping(wrong))
    assert "otelllm keeps its old policy: the app's own policy and the collector's do not fit together" in caplog.text
    with pytest.raises(otelllm.KillSwitchOn):
        client.chat.completions.create(model="m", messages=MESSAGES)
    client.chat.completions.create(model="other", messages=MESSAGES)
    assert answering.last.json["max_tokens"] == 7, "the rest is as before"
