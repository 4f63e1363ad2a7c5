"""Apps that run the SDKs' async clients under trio: whatever waits, waits there as it does under asyncio."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import anthropic
import openai
import pytest
from wire.server import CUT, PATIENCE_S, Gate, Reply, Request, sse

import otelllm
from otelllm import semconv

from .apps import WAYS, answer_of
from .test_retries import PASSING, RETRIES, outcomes
from .test_waiting import waiting

if TYPE_CHECKING:
    from pathlib import Path

    from telemetry import Telemetry
    from wire.server import Provider

trio = pytest.importorskip("trio", reason="comes with the dev extra")
# The SDKs leave their inner generators to the collector, with and without us; trio says so of each.
pytestmark = pytest.mark.filterwarnings("ignore:Async generator '(openai|anthropic|httpx|httpcore):ResourceWarning")
MESSAGES: Any = [{"role": "user", "content": "hello"}]
ANSWERS = {way.sdk: (answer_of(way), answer_of(streamed)) for way, streamed in zip(WAYS[::2], WAYS[1::2], strict=True)}


class App:
    """What runs within one `trio.run`."""

    def __init__(self, sdk: str, url: str) -> None:
        self.sdk, self._url = sdk, url

    def client(self) -> Any:
        if self.sdk == "openai":
            return openai.AsyncOpenAI(api_key="k", base_url=self._url, max_retries=0)
        return anthropic.AsyncAnthropic(api_key="k", base_url=self._url.removesuffix("/v1"), max_retries=0)

    async def ask(self, client: Any, model: str = "m", **more: Any) -> Any:
        if self.sdk == "openai":
            return await client.chat.completions.create(model=model, messages=MESSAGES, **more)
        return await client.messages.create(model=model, messages=MESSAGES, max_tokens=100, **more)

    def run(self, work: Callable[[Any], Awaitable[Any]]) -> Any:
        """What `work` gives of a client, on a loop of its own; a hanging one fails."""

        async def main() -> Any:
            with trio.fail_after(PATIENCE_S):
                async with self.client() as client:
                    return await work(client)

        return trio.run(main)


@pytest.fixture(params=["openai", "anthropic"])
def app(request: pytest.FixtureRequest, provider: Provider) -> App:
    """One of each SDK, and a provider that answers it."""
    it = App(request.param, provider.url)
    answers = ANSWERS[it.sdk]
    provider.always = lambda asked: answers[bool(asked.json.get("stream"))]
    return it


async def until(is_so: Callable[[], bool]) -> None:
    while not is_so():
        await trio.sleep(0.001)


def models(provider: Provider) -> list[str]:
    return [request.json["model"] for request in provider.requests]


def test_calls_wait_in_line_and_go_on_as_soon_as_there_is_room(otel: Telemetry, provider: Provider, app: App) -> None:
    """Told by a task, and by a thread that reads the stream which holds the slot."""
    otel.instrument(policy={"state": {"url": "memory:"}, "limits": [{"scope": "all", "concurrent": 1}]})

    async def work(client: Any) -> None:
        stream = await app.ask(client, "first", stream=True)
        async with trio.open_nursery() as nursery:
            for number, model in enumerate(("second", "third")):
                nursery.start_soon(app.ask, client, model)
                await until(lambda number=number: waiting() == number + 1)
            assert models(provider) == ["first"]
            assert [chunk async for chunk in stream]

    app.run(work)
    assert models(provider) == ["first", "second", "third"]
    waited = {str(span.attributes[semconv.REQUEST_MODEL]): len(span.events) for span in otel.spans if span.attributes}
    assert waited == {"first": 0, "second": 1, "third": 1}


def test_a_cancelled_call_leaves_the_line(otel: Telemetry, provider: Provider, app: App) -> None:
    otel.instrument(policy={"state": {"url": "memory:"}, "limits": [{"scope": "all", "concurrent": 1}]})

    async def work(client: Any) -> None:
        stream = await app.ask(client, "first", stream=True)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(app.ask, client, "second")
            await until(lambda: waiting() == 1)
            nursery.cancel_scope.cancel()
        assert waiting() == 0
        assert [chunk async for chunk in stream]
        await app.ask(client, "third")

    app.run(work)
    assert models(provider) == ["first", "third"]
    cancelled = next(span for span in otel.spans if span.name == "chat second")
    assert (cancelled.attributes or {})[semconv.ERROR_TYPE] == "cancelled"


def test_a_slot_that_comes_free_when_the_loop_is_gone_harms_nobody(
    otel: Telemetry, provider: Provider, app: App
) -> None:
    """A thread holds the slot; the loop whose call waited for it has ended by then."""
    otel.instrument(policy={"state": {"url": "memory:"}, "limits": [{"scope": "all", "concurrent": 1}]})
    with openai.OpenAI(api_key="k", base_url=provider.url, max_retries=0) as sync:
        provider.reply(ANSWERS["openai"][1])
        stream = sync.chat.completions.create(model="first", messages=MESSAGES, stream=True)
        wakes: list[Callable[[], None]] = []

        async def work(client: Any) -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(app.ask, client, "second")
                await until(lambda: waiting() == 1)
                lines = otelllm.setup._running.enforcement._queue._lines  # type: ignore[union-attr]
                (ticket,) = [one for line in lines.values() for rank in line._waiting for one in rank]
                await until(lambda: ticket.gate._wake is not None)
                wakes.append(ticket.gate._wake)
                nursery.cancel_scope.cancel()

        app.run(work)
        wakes[0]()
        assert list(stream)
    assert models(provider) == ["first"]


@pytest.mark.parametrize("failure", ["500", "cut"])
def test_a_failed_attempt_is_tried_again_after_its_pause(
    otel: Telemetry, provider: Provider, app: App, failure: str
) -> None:
    otel.instrument(policy={"retries": {**RETRIES, "base": "20ms"}})
    provider.reply(PASSING[failure])
    app.run(app.ask)
    assert len(provider.requests) == 2
    assert outcomes(otel) == ["retry"]


def test_a_stream_that_fails_before_its_first_chunk_begins_anew(otel: Telemetry, provider: Provider, app: App) -> None:
    otel.instrument(policy={"retries": RETRIES})
    provider.reply(sse(CUT))

    async def work(client: Any) -> int:
        return len([chunk async for chunk in await app.ask(client, stream=True)])

    assert app.run(work)
    assert len(provider.requests) == 2
    assert outcomes(otel) == ["retry"]


@pytest.mark.parametrize("stream", [False, True])
def test_identical_calls_ask_once(otel: Telemetry, provider: Provider, app: App, stream: bool) -> None:
    otel.instrument(policy={"cache": {"exact": {"scope": "all", "only_when_deterministic": False}}})
    gate = Gate()
    answer = ANSWERS[app.sdk][stream]
    first, *rest = list(answer.steps) if stream else [(answer.body or b"")[:10], (answer.body or b"")[10:]]
    steps: Any = [first, gate, *rest]
    provider.reply(Reply(steps=steps, content_type=answer.content_type, headers=answer.headers))
    got: list[Any] = []

    async def ask(client: Any) -> None:
        result = await app.ask(client, stream=stream)
        got.append([chunk async for chunk in result] if stream else result)

    async def work(client: Any) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, client)
            await until(lambda: bool(provider.requests))
            for _ in range(5):
                nursery.start_soon(ask, client)
            await trio.to_thread.run_sync(gate.wait_reached)
            gate.open()

    app.run(work)
    assert len(got) == 6
    assert len(provider.requests) == 1


def test_counters_in_a_file_that_another_process_is_writing_do_not_hold_up_the_loop(
    otel: Telemetry, provider: Provider, app: App, tmp_path: Path
) -> None:
    file = tmp_path / "counters.sqlite"
    limit = {"scope": "all", "requests_per_minute": 100, "fail": "closed"}
    otel.instrument(policy={"state": {"url": f"sqlite:{file}"}, "limits": [limit]})
    app.run(app.ask)

    async def work(client: Any) -> None:
        other = sqlite3.connect(file, isolation_level=None)
        other.execute("begin immediate")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(app.ask, client)
            for _ in range(20):
                await trio.sleep(0.001)
            assert len(provider.requests) == 1
            other.execute("rollback")
        other.close()

    app.run(work)
    assert len(provider.requests) == 2


@pytest.mark.slow
def test_counters_and_cache_on_a_server(otel: Telemetry, provider: Provider, app: App, redis_url: str) -> None:
    limit = {"scope": "all", "requests_per_minute": 2, "when_full": "reject", "fail": "closed"}
    cache = {"exact": {"scope": "all", "only_when_deterministic": False, "where": redis_url}}
    otel.instrument(policy={"state": {"url": redis_url}, "limits": [limit], "cache": cache})

    async def work(client: Any) -> None:
        for model in ("first", "second"):
            await app.ask(client, model)
        with pytest.raises(otelllm.RateLimited):
            await app.ask(client, "third")

    app.run(work)
    assert models(provider) == ["first", "second"]
    assert otelllm.flush()
    app.run(lambda client: app.ask(client, "second"))
    assert len(provider.requests) == 2, "another loop finds it in the cache"


@pytest.mark.parametrize("is_answered", [True, False])
def test_a_call_beside_is_made_and_not_waited_for(
    otel: Telemetry, provider: Provider, app: App, is_answered: bool
) -> None:
    """The app has its answer while that one hangs. What still hangs when the app closes its client ends with that."""
    otel.instrument(policy={"routes": [{"shadow_to": "other"}]})
    gate = Gate()
    answer, _ = ANSWERS[app.sdk]

    def reply(request: Request) -> Reply:
        return Reply(steps=[gate, answer.body or b""]) if request.json["model"] == "other" else answer

    provider.always = reply

    async def work(client: Any) -> None:
        await app.ask(client)
        await until(lambda: "other" in models(provider))
        if is_answered:
            gate.open()
            await until(lambda: len(otel.spans) == 2)

    app.run(work)
    gate.open()
    assert sorted(models(provider)) == ["m", "other"]
    failed = {
        (span.attributes or {}).get(semconv.SHADOW, False): semconv.ERROR_TYPE in (span.attributes or {})
        for span in otel.spans
    }
    assert failed == {False: False, True: not is_answered}


def test_a_silent_stream_is_hung_up_by_a_switch(otel: Telemetry, provider: Provider, app: App, tmp_path: Path) -> None:
    """Turned on in the policy's file while the stream waits for its next chunk."""
    file = tmp_path / "otelllm.toml"
    file.write_text("[retries]\n", encoding="utf-8")
    otel.instrument(policy=str(file))
    first, *rest = ANSWERS[app.sdk][1].steps
    gate = Gate()
    provider.reply(sse(first, gate, rest))

    async def work(client: Any) -> None:
        stream = await app.ask(client, stream=True)
        await anext(stream)
        begun = time.monotonic()
        file.write_text('[[kill]]\nname = "off"\nwhen = { model = "m" }\n', encoding="utf-8")
        with pytest.raises(otelllm.KillSwitchOn):
            async for _ in stream:
                pass
        assert time.monotonic() - begun < PATIENCE_S / 2

    app.run(work)
    gate.open()
