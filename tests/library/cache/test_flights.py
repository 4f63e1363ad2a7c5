"""Single flight: identical calls at the same time ask the provider once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import openai
import pytest
from library.cache.asking import ANTHROPIC, OPENAI, Case, comparable
from wire import files
from wire.server import STALL, Gate, Reply, sse, whole

from otelllm import semconv
from otelllm.enforce.cache import flights, places, tape

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider

Make = Callable[..., Any]
WHOLE = OPENAI[0]
STREAM = next(case for case in OPENAI if case.is_stream)
FOUR = pytest.mark.parametrize(
    "case", [WHOLE, STREAM, ANTHROPIC[0], next(case for case in ANTHROPIC if case.is_stream)], ids=str
)
MANY = 50


def gated(case: Case, gate: Gate) -> Reply:
    """The case's answer, the end of it only once the gate is open."""
    if case.is_stream:
        *events, last = files.events(case.file)
        return sse([*events, gate, last])
    body = files.body(case.file)
    return Reply(steps=[body[:10], gate, body[10:]], headers={"x-request-id": "req_wire", "request-id": "req_wire"})


def waiting() -> int:
    """How many wait for another's answer."""
    (kept,) = places.in_use()
    return sum(len(flight.waiting) for flight in list(kept.flights._flights.values()))


def until(is_so: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(2000):
        if is_so():
            return
        pause.wait(0.01)
    pytest.fail("it never came to that")


def at_once(app: Any, case: Case, many: int, when_waiting: Callable[[], None]) -> list[Any]:
    """What each of so many gets that ask at the same time, threads or tasks of one loop; None for the SDK's error."""
    if app.kind == "sync":

        def ask() -> Any:
            try:
                return comparable(case.ask(app))
            except case.error:
                return None

        with ThreadPoolExecutor(many) as pool:
            asked = [pool.submit(ask) for _ in range(many)]
            when_waiting()
            return [one.result() for one in asked]

    async def aask() -> Any:
        method = app.client
        for name in case.method.split("."):
            method = getattr(method, name)
        try:
            given = await method(**case.arguments)
            return comparable([type(given), *[chunk async for chunk in given]] if case.is_stream else [given])
        except case.error:
            return None

    async def all_of_them() -> Any:
        tasks = [asyncio.ensure_future(aask()) for _ in range(many)]
        await asyncio.get_running_loop().run_in_executor(None, when_waiting)
        return await asyncio.gather(*tasks)

    found: list[Any] = app.runner.run(all_of_them())
    return found


@FOUR
def test_50_identical_concurrent_calls_are_one_upstream(
    cached: Telemetry, make_app: Make, provider: Provider, case: Case
) -> None:
    """Everybody gets the answer, as the SDK gives it."""
    gate = Gate()
    provider.reply(gated(case, gate))

    def open_when_all_wait() -> None:
        until(lambda: waiting() == MANY - 1)
        gate.open()

    given = at_once(make_app(case.sdk), case, MANY, open_when_all_wait)
    assert given == [given[0]] * MANY
    assert len(provider.requests) == 1
    outcomes = [(span.attributes or {})[semconv.CACHE_OUTCOME] for span in cached.spans]
    assert sorted(outcomes) == ["hit"] * (MANY - 1) + ["stored"]


@FOUR
def test_where_the_first_fails_the_next_one_asks(
    cached: Telemetry, make_app: Make, provider: Provider, case: Case
) -> None:
    """Its error is its own; the others get the second one's answer."""
    gate = Gate()
    refusal = files.body(f"{case.sdk}/error_429.json")
    provider.reply(Reply(steps=[gate, refusal], status=429))
    case.answer(provider)

    def open_when_all_wait() -> None:
        until(lambda: waiting() == 4)
        gate.open()

    seen = at_once(make_app(case.sdk), case, 5, open_when_all_wait)
    given = [one for one in seen if one is not None]
    assert given == [given[0]] * 4
    assert len(provider.requests) == 2


def test_an_answer_that_can_not_be_shared_leaves_the_others_to_themselves(
    cached: Telemetry, make_app: Make, provider: Provider
) -> None:
    """A truncated one: they all ask at once, not one after the other."""
    gate = Gate()
    cut = files.body("openai/chat.json").replace(b'"stop"', b'"length"')
    provider.reply(Reply(steps=[gate, cut]))
    provider.always = whole(cut)

    def open_when_all_wait() -> None:
        until(lambda: waiting() == 4)
        gate.open()

    at_once(make_app("openai"), WHOLE, 5, open_when_all_wait)
    assert len(provider.requests) == 5


def test_a_caller_who_waits_can_be_cancelled(cached: Telemetry, async_app_: Any, provider: Provider) -> None:
    """It frees its place, and the leader goes on; where the leader is cancelled, the next one asks."""
    app, gate = async_app_, Gate()
    provider.reply(Reply(steps=[STALL]), gated(WHOLE, gate))
    create = app.client.chat.completions.create

    async def go() -> Any:
        leader = asyncio.ensure_future(create(**WHOLE.arguments))
        others = []
        for number in range(3):
            others.append(asyncio.ensure_future(create(**WHOLE.arguments)))
            while waiting() <= number:
                await asyncio.sleep(0.001)
        others[0].cancel()
        await asyncio.gather(others[0], return_exceptions=True)
        assert waiting() == 2
        leader.cancel()
        await asyncio.gather(leader, return_exceptions=True)
        while len(provider.requests) < 2 or waiting() < 1:
            await asyncio.sleep(0.001)
        gate.open()
        return [*await asyncio.gather(*others[1:]), leader.cancelled(), others[0].cancelled()]

    one, other, *cancelled = app.runner.run(go())
    assert comparable([one]) == comparable([other])
    assert cancelled == [True, True]
    assert len(provider.requests) == 2


@pytest.fixture
def async_app_(provider: Provider) -> Any:
    from library.openai.app import AsyncApp

    app = AsyncApp(provider.url)
    yield app
    app.stop()


def test_a_stream_that_its_app_does_not_read_is_not_waited_for(
    cached: Telemetry, make_app: Make, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two streams opened one after the other, and then read: the second must not wait for ever for the first."""
    monkeypatch.setattr(tape, "IDLE_S", 0.05)
    monkeypatch.setattr(flights, "LOOK_S", 0.02)
    app = make_app("openai")
    method = app.client.chat.completions.create
    STREAM.answer(provider)
    STREAM.answer(provider)
    first = app.call(method, **STREAM.arguments)
    second = app.call(method, **STREAM.arguments)
    assert comparable(app.read(second)) == comparable(app.read(first))
    assert len(provider.requests) == 2


def test_a_sync_call_waits_for_no_async_one(cached: Telemetry, async_app_: Any, provider: Provider) -> None:
    """It may stand in the way of the very loop that the other runs on."""
    app, gate = async_app_, Gate()
    provider.reply(gated(WHOLE, gate))
    client = openai.OpenAI(api_key="sk-test", base_url=provider.url, max_retries=0)

    async def go() -> Any:
        leader = asyncio.ensure_future(app.client.chat.completions.create(**WHOLE.arguments))
        while not provider.requests:
            await asyncio.sleep(0.001)
        WHOLE.answer(provider)
        mine = client.chat.completions.create(**WHOLE.arguments)
        gate.open()
        return mine, await leader

    mine, yours = app.runner.run(go())
    client.close()
    assert comparable([mine]) == comparable([yours])


def test_whoever_has_waited_long_enough_asks_by_itself(
    cached: Telemetry, make_app: Make, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one may be stuck."""
    monkeypatch.setattr(flights, "PATIENCE_S", 0.05)
    monkeypatch.setattr(flights, "LOOK_S", 0.02)
    gate = Gate()
    provider.reply(gated(WHOLE, gate))
    WHOLE.answer(provider)

    def open_when_asked_twice() -> None:
        until(lambda: len(provider.requests) == 2)
        gate.open()

    given = at_once(make_app("openai"), WHOLE, 2, open_when_asked_twice)
    assert given[0] == given[1]
