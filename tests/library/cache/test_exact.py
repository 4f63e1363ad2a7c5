"""Which calls the cache answers, and what it says of them; through the real SDKs."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import openai
import pytest
from library.cache.asking import ASKED, UNFIT, Case, comparable
from library.cache.told import FOUR, MESSAGE_STREAM, MOSTLY_SYNC, STREAM, WHOLE, Make, decisions, exact, outcomes
from wire import files
from wire.server import CUT, sse, whole

import otelllm
import otelllm.cache
from otelllm import semconv

if TYPE_CHECKING:
    from pathlib import Path

    from telemetry import Telemetry
    from wire.server import Provider


@FOUR
def test_only_deterministic_calls_unless_the_app_asks_for_it(
    cached: Telemetry, make_app: Make, provider: Provider, case: Case
) -> None:
    """Temperature 0, or `context(cache=True)`; `cache=False` forbids it in any case."""
    app = make_app(case.sdk)
    warm = {"temperature": 0.5} if case.sdk == "openai" else {"extra_body": {"temperature": 0.5}}
    asked: list[tuple[bool | None, dict[str, Any], list[Any]]] = [
        (None, warm, ["skipped", "skipped"]),
        (True, warm, ["stored", "hit"]),
        (None, {}, ["stored", "hit"]),
        (False, {}, [None, None]),
    ]
    for cache, more, expected in asked:
        cached.clear()
        for _ in range(2):
            case.answer(provider)
            with otelllm.context(cache=cache):
                case.ask(app, **more)
        assert outcomes(cached) == expected
        provider._queue.clear()


def test_without_a_temperature_a_call_is_not_deterministic(otel: Telemetry, make_app: Make, provider: Provider) -> None:
    """The provider's default is 1; the policy may take such answers all the same."""
    app = make_app("openai")
    for rule, expected in (({}, "skipped"), ({"only_when_deterministic": False}, "hit")):
        otel.instrument(policy=exact(**rule))
        otel.clear()
        for _ in range(2):
            WHOLE.answer(provider)
            WHOLE.ask(app, temperature=openai.omit)
        assert outcomes(otel)[1] == expected
        provider._queue.clear()


@FOUR
def test_a_rule_in_shadow_changes_nothing(otel: Telemetry, make_app: Make, provider: Provider, case: Case) -> None:
    """The provider is asked each time; the span says what would have been."""
    otel.instrument(policy=exact(mode="shadow", name="try out"))
    app = make_app(case.sdk)
    for _ in range(2):
        case.answer(provider)
        case.ask(app)
    assert len(provider.requests) == 2
    first, second = (span.attributes or {} for span in otel.spans)
    assert (first[semconv.CACHE_OUTCOME], second[semconv.CACHE_OUTCOME]) == ("stored", "miss")
    assert second[semconv.USAGE_INPUT] == first[semconv.USAGE_INPUT]
    (told,) = decisions(otel)
    assert told[:3] == ("try out", "shadow", "would_hit")


@pytest.mark.parametrize("rule", [{"mode": "off"}, {"when": {"model": "other*"}}], ids=str)
def test_a_rule_that_is_off_or_speaks_of_other_calls(
    otel: Telemetry, make_app: Make, provider: Provider, rule: dict[str, Any]
) -> None:
    """As if it were not there."""
    otel.instrument(policy=exact(**rule))
    app = make_app("openai")
    for _ in range(2):
        WHOLE.answer(provider)
        WHOLE.ask(app)
    assert outcomes(otel) == [None, None]


@MOSTLY_SYNC
@pytest.mark.parametrize("file", UNFIT)
def test_answers_that_are_not_kept(cached: Telemetry, make_app: Make, provider: Provider, file: str) -> None:
    """Truncated, refused, filtered, failed, or of tools that the provider ran: each call gets its own."""
    sdk = "anthropic" if UNFIT[file] == "anthropic" else "openai"
    methods = {"openai": "chat.completions.create", "anthropic": "messages.create"}
    case = Case(sdk, methods.get(UNFIT[file], f"{UNFIT[file]}.create"), f"{sdk}/{file}", UNFIT[file])
    app = make_app(sdk)
    for _ in range(2):
        case.answer(provider)
        try:
            case.ask(app)
        except openai.APIError:
            continue
    assert outcomes(cached) == ["miss", "miss"]
    assert len(provider.requests) == 2


@pytest.mark.parametrize("how", ["refused", "cut", "left"])
@pytest.mark.parametrize("case", [STREAM, MESSAGE_STREAM], ids=str)
def test_streams_that_were_not_read_to_a_good_end_are_not_kept(
    cached: Telemetry, make_app: Make, provider: Provider, case: Case, how: str
) -> None:
    """Refused, broken in the middle, or closed by the app."""
    app = make_app(case.sdk)
    method = app.client.chat.completions.create if case.sdk == "openai" else app.client.messages.create
    for _ in range(2):
        if how == "refused":
            provider.reply(whole(files.body(f"{case.sdk}/error_429.json"), status=429))
        else:
            events = files.events(case.file)
            provider.reply(sse(events if how == "left" else [*events[:5], CUT]))
        with contextlib.nullcontext() if how == "left" else pytest.raises(Exception):  # noqa: PT011  each SDK's own
            app.leave(app.call(method, **case.arguments), 2 if how == "left" else 99)
    assert outcomes(cached) == ["miss", "miss"]


@pytest.mark.parametrize("way", ["store", "iterator"])
def test_requests_that_are_not_for_the_cache(cached: Telemetry, make_app: Make, provider: Provider, way: str) -> None:
    """They leave something behind, or can't be looked at: the SDK gets them as they are."""
    messages = ASKED["openai"]["messages"]
    more = {"store": {"store": True}, "iterator": {"messages": iter(messages)}}[way]
    WHOLE.answer(provider)
    WHOLE.ask(make_app("openai"), **more)
    assert outcomes(cached) == ["skipped"]
    assert way in decisions(cached)[0][4]
    assert provider.last.json["messages"] == messages


def test_an_edited_limit_empties_no_cache_and_an_edited_route_does(
    otel: Telemetry, make_app: Make, provider: Provider, tmp_path: Path
) -> None:
    """The fingerprint is of those rules alone that change answers."""
    from otelllm import setup
    from otelllm.policy import from_mapping

    otel.instrument(policy=exact())
    app = make_app("openai")
    kill = {"kill": [{"when": {"feature": "other"}}]}
    routes = {"routes": [{"when": {"feature": "other"}, "model": "gpt-4o"}]}
    for policy in (exact(), exact() | kill, exact(ttl="2h"), exact() | routes, exact()):
        assert setup._running is not None
        setup._running.changed(from_mapping(policy))
        WHOLE.answer(provider)
        WHOLE.ask(app)
    assert outcomes(otel) == ["stored", "hit", "hit", "stored", "hit"]
    provider._queue.clear()


def test_a_routed_call_gets_the_answer_of_its_own_model(otel: Telemetry, make_app: Make, provider: Provider) -> None:
    """And never that of the model which the app named."""
    otel.instrument(policy=exact() | {"routes": [{"when": {"feature": "cheap"}, "model": "gpt-4.1-nano"}]})
    app = make_app("openai")
    for feature in ("dear", "cheap", "dear", "cheap"):
        WHOLE.answer(provider)
        with otelllm.context(feature=feature):
            WHOLE.ask(app)
    assert outcomes(otel) == ["stored", "stored", "hit", "hit"]
    assert [request.json["model"] for request in provider.requests] == ["gpt-4o-mini", "gpt-4.1-nano"]
    provider._queue.clear()


def test_the_keys_of_a_pool_share_their_answers(
    otel: Telemetry, make_app: Make, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which of them a call takes changes no answer; another pool's answers are its own."""
    for name in ("ONE", "TWO", "THREE"):
        monkeypatch.setenv(f"POOLED_{name}", f"sk-{name}")
    app = make_app("openai")
    provider.always = whole(files.body("openai/chat.json"))
    first = ["env:POOLED_ONE", "env:POOLED_TWO"]
    otel.instrument(policy=exact() | {"keys": [{"provider": "openai", "keys": first}]})
    for number in range(4):
        WHOLE.ask(app, seed=number)
        WHOLE.ask(app, seed=number)
    assert outcomes(otel) == ["stored", "hit"] * 4
    # They take turns: it was the other key's turn at each hit.
    assert {request.headers["authorization"] for request in provider.requests} == {"Bearer sk-ONE"}
    from otelllm import setup
    from otelllm.policy import from_mapping

    assert setup._running is not None
    setup._running.changed(from_mapping(exact() | {"keys": [{"provider": "openai", "keys": ["env:POOLED_THREE"]}]}))
    WHOLE.ask(app, seed=0)
    assert outcomes(otel)[-1] == "stored"


def test_lookups_are_counted(cached: Telemetry, make_app: Make, provider: Provider) -> None:
    """By outcome; tokens and cost of a hit are not counted again."""
    app = make_app("openai")
    WHOLE.answer(provider)
    for _ in range(3):
        WHOLE.ask(app)
    metrics = cached.metrics()
    lookups = {point.attributes["outcome"]: point.value for point in metrics[semconv.METRIC_CACHE_LOOKUPS]}
    assert lookups == {"stored": 1, "hit": 2}
    assert {point.count for point in metrics[semconv.METRIC_TOKENS]} == {1}
    (cost,) = metrics[semconv.METRIC_COST]
    assert cost.value == pytest.approx((cached.spans[0].attributes or {})[semconv.COST])


def test_without_a_span_the_cache_works_too(otel: Telemetry, make_app: Make, provider: Provider) -> None:
    """Enforcement does not depend on tracing."""
    from opentelemetry.instrumentation.utils import suppress_instrumentation

    otel.instrument(policy=exact())
    app = make_app("openai")
    WHOLE.answer(provider)
    with suppress_instrumentation():
        first, second = (comparable(WHOLE.ask(app)) for _ in range(2))
    assert first == second
    assert otel.spans == []


def test_a_store_that_is_away_is_a_miss(otel: Telemetry, make_app: Make, provider: Provider, tmp_path: Path) -> None:
    """The app never sees it; the span does."""
    path = tmp_path / "cache.db"
    path.write_bytes(b"no database at all, but long enough to be taken for one" * 100)
    app = make_app("openai")
    for where, told in ((f"sqlite:{path}", str(path)), ("redis://127.0.0.1:1/0", "can't be asked (ConnectionError)")):
        otel.instrument(policy=exact(where=where))
        otel.clear()
        for _ in range(2):
            WHOLE.answer(provider)
            WHOLE.ask(app)
        assert outcomes(otel) == ["skipped", "skipped"]
        assert told in decisions(otel)[0][4]
    with pytest.raises(otelllm.cache.Away):
        otelllm.cache.invalidate("kb:42")


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"where": "s3://x"}, "cache.exact.where = 's3://x' is no place for answers; write \"memory\""),
        ({"where": "sqlite:"}, "is no place"),
        ({"ttl": "soon"}, "cache.exact.ttl = 'soon' is not a time"),
        ({"max_bytes": 0}, "cache.exact.max_bytes = 0 is not a size"),
        ({"scope": "tag:"}, "cache.exact.scope = 'tag:' is no scope; use one of"),
        ({"scope": "tenant"}, "cache.exact.scope = 'tenant' is no scope"),
        ({"only_when_deterministic": "yes"}, "is neither true nor false"),
        ({"sope": "user"}, "cache.exact.sope is not a key; did you mean 'scope'"),
        ({"when": {"modle": "x"}}, "did you mean 'model'"),
    ],
    ids=str,
)
def test_a_wrong_rule_is_refused_with_the_way_out(rule: dict[str, Any], told: str) -> None:
    """When the policy is read, not when the first call comes."""
    with pytest.raises(otelllm.BadConfig) as caught:
        otelllm.instrument(policy={"cache": {"exact": rule}})
    assert told in str(caught.value)
