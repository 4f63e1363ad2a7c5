"""Key pools: which key a call takes, when it takes another, and that no key is ever in anything that we write."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from wire.server import CUT, Reply, sse, whole

import otelllm
from otelllm import semconv, setup
from otelllm.attempt import Key
from otelllm.enforce.course import Learned
from otelllm.enforce.keys import Pool, Shelf
from otelllm.enforcement import Enforcement
from otelllm.errors import BadConfig
from otelllm.hosts import key_hash
from otelllm.policy import from_mapping, parse

from .apps import WAYS, Asking, Way, answer_of
from .test_retries import ERRORS, RETRIES, outcomes, refusal

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider, Request

CANARIES = [f"canary-key-number-{number}-{'x' * 20}" for number in range(3)]


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three keys in the environment."""
    for number, secret in enumerate(CANARIES):
        monkeypatch.setenv(f"POOL_KEY_{number}", secret)


def policy(way: Way, **more: Any) -> dict[str, Any]:
    """One pool of three keys."""
    names = [f"env:POOL_KEY_{number}" for number in range(3)]
    return {"retries": RETRIES, "keys": [{"provider": way.sdk, "keys": names, **more}]}


def key_of(request: Request) -> int:
    """Which of the keys a request was made with."""
    said = request.headers.get("x-api-key") or request.headers["authorization"].removeprefix("Bearer ")
    return CANARIES.index(said)


def keys_of(provider: Provider) -> list[int]:
    """Those of all requests, in order."""
    return [key_of(request) for request in provider.requests]


def test_calls_of_nobody_take_turns(otel: Telemetry, provider: Provider, asking: Asking, way: Way) -> None:
    """The one that rested longest; its hash is on the span."""
    otel.instrument(policy=policy(way))
    for _ in range(6):
        asking.ask()
    used = keys_of(provider)
    assert sorted(used) == [0, 0, 1, 1, 2, 2]
    on_spans = [(span.attributes or {})[semconv.KEY] for span in otel.spans]
    assert on_spans == [key_hash(CANARIES[number]) for number in used]


def test_a_session_keeps_to_one_key_while_it_is_free(
    otel: Telemetry, provider: Provider, asking: Asking, way: Way
) -> None:
    """Prompt caches stay warm; after a 429 the session moves, and others go on as before."""
    otel.instrument(policy=policy(way, affinity="session", cooldown="1h"))
    with otelllm.context(session="s-1"):
        for _ in range(3):
            asking.ask()
        (home,) = set(keys_of(provider))
        provider.reply(refusal(429, "rate_limit_error"), answer_of(way))
        asking.ask()
        asking.ask()
    used = keys_of(provider)
    assert used[3] == home
    assert used[4] == used[5] != home


@pytest.mark.parametrize("status", [429, 401])
def test_a_key_that_is_refused_is_left_out_and_another_taken_at_once(
    otel: Telemetry, provider: Provider, asking: Asking, way: Way, status: int
) -> None:
    """Until its cooldown is over."""
    otel.instrument(policy=policy(way, cooldown="1h"))
    provider.reply(refusal(status, retry_after="3600"), answer_of(way))
    assert asking.ask()
    for _ in range(4):
        asking.ask()
    first, *rest = keys_of(provider)
    assert first not in rest
    span = otel.spans[0]
    assert [dict(one.attributes or {})["outcome"] for one in span.events if one.name == semconv.EVENT_DECISION] == [
        "other_key"
    ]
    assert semconv.WAITED not in (span.attributes or {})


def test_where_every_key_is_refused_the_app_gets_the_sdks_error(
    otel: Telemetry, provider: Provider, asking: Asking, way: Way
) -> None:
    """Three keys, three requests; what a key is not to blame for is not tried with another."""
    otel.instrument(policy=policy(way))
    provider.always = refusal(401, "authentication_error")
    with pytest.raises(ERRORS[way.sdk].AuthenticationError):
        asking.ask()
    assert sorted(keys_of(provider)) == [0, 1, 2]
    provider.always = refusal(403, "permission_error")
    with pytest.raises(ERRORS[way.sdk].PermissionDeniedError):
        asking.ask("another")
    assert len(provider.requests) == 4


def test_an_endpoint_has_keys_of_its_own(otel: Telemetry, provider: Provider, asking: Asking, way: Way) -> None:
    """The app's own key does not go there."""
    base = provider.url if way.sdk == "openai" else provider.url.removesuffix("/v1")
    place = {"name": "eu", "provider": way.sdk, "base_url": base, "keys": ["env:POOL_KEY_2"]}
    otel.instrument(policy={"retries": RETRIES, "endpoints": [place], "routes": [{"model": "m@eu"}]})
    asking.ask()
    assert keys_of(provider) == [2]
    assert provider.last.json["model"] == "m"


def test_shadow_only_says_which_key_it_would_take(
    otel: Telemetry, provider: Provider, asking: Asking, way: Way
) -> None:
    """The app's own key is used."""
    otel.instrument(policy=policy(way, mode="shadow"))
    asking.ask()
    assert "sk-test" in str(provider.last.headers)
    assert outcomes(otel) == ["would_use_key"]


def _echo(request: Request, status: int) -> Reply:
    """A provider that repeats the key in its error, as some do."""
    said = request.headers.get("x-api-key") or request.headers["authorization"]
    body = {"type": "error", "error": {"type": "error", "code": "error", "message": f"Incorrect API key: {said}"}}
    return whole(body, status=status)


FAILURES = [400, 401, 402, 403, 404, 422, 429, 500, 503, "cut", "event"]


@pytest.mark.parametrize("capture", ["off", "redacted", "full"])
def test_no_key_is_in_anything_that_we_write(
    otel: Telemetry, provider: Provider, asking: Asking, way: Way, capture: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Spans, events, metrics, logs, URLs, our records and texts: over all error paths, whatever is captured."""
    caplog.set_level(logging.DEBUG, logger="otelllm")
    otel.instrument(policy=policy(way, cooldown="1ms"), capture=capture)
    said = []
    for failure in FAILURES:

        def answer(request: Request, failure: Any = failure) -> Reply:
            if failure == "cut":
                return Reply(steps=[b"{", CUT])
            if failure == "event":
                said = request.headers.get("x-api-key") or request.headers["authorization"]
                return sse(b'event: error\ndata: {"error": {"message": "bad key %s"}}\n\n' % said.encode())
            return _echo(request, failure)

        provider.always = answer
        with pytest.raises(Exception) as caught:  # noqa: PT011  the SDKs' own, of many kinds
            asking.ask(f"what of {failure}?")
        said.append(repr(otelllm.interruption(caught.value)))
    running = setup._running
    assert running is not None
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("otelllm")]
    written = "\n".join([otel.everything(), *ours, *said, repr(running.own), repr(running.stages)])
    urls = "\n".join(request.path for request in provider.requests)
    assert len(provider.requests) > len(FAILURES)
    for secret in CANARIES:
        assert secret not in written
        assert secret not in urls


def test_a_key_never_shows() -> None:
    """By no repr of ours."""
    shelf = Shelf(Key("env:K", CANARIES[0], "abc"))
    assert CANARIES[0] not in repr(shelf.key) + repr(shelf)


def test_a_missing_variable_is_named_and_nothing_starts(otel: Telemetry, monkeypatch: pytest.MonkeyPatch) -> None:
    """And only its name."""
    monkeypatch.delenv("POOL_KEY_1")
    with pytest.raises(BadConfig, match="POOL_KEY_1 is not set") as caught:
        otel.instrument(policy=policy(WAYS[0]))
    assert not any(secret in str(caught.value) for secret in CANARIES)
    assert setup._running is None


@pytest.mark.parametrize("said", ["sk-proj-abc123", "env:sk-proj-abc123", "env:", 'env:AIza"', ["env:A", "env:A"], []])
def test_a_key_in_the_file_is_refused_and_not_repeated(said: Any) -> None:
    """Somebody may write the key where its variable's name belongs."""
    with pytest.raises(BadConfig) as caught:
        from_mapping({"keys": [{"provider": "openai", "keys": said}]})
    assert "abc123" not in str(caught.value)
    with pytest.raises(BadConfig, match=r"^f.toml:3: ") as caught:
        parse('[[keys]]\nprovider = "openai"\nkeys = ["sk-proj-abc123"]\n', "f.toml")
    assert "abc123" not in str(caught.value)


def test_a_key_that_looks_like_a_name_is_not_repeated_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as Google's."""
    learned = Learned()
    with pytest.raises(BadConfig) as caught:
        learned.shelves.of(["AIzaSyabc123def456"], "keys 1")
    assert "abc123" not in str(caught.value)


class Clock:
    """Time that passes when we say so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def pool(clock: Clock, remaining: dict[str, float] | None = None) -> Pool:
    """Three keys."""
    shelves = [Shelf(Key(f"env:K{n}", secret, str(n))) for n, secret in enumerate(CANARIES)]
    return Pool(shelves, cooldown_s=30.0, clock=clock, remaining=(remaining or {}).get)


def test_the_key_with_most_left_is_taken() -> None:
    """By what the limits say; one that has nothing left only where no other is free."""
    clock = Clock()
    keys = pool(clock, {"0": 0.2, "1": 0.9, "2": 0.0})
    assert [keys.take(n, None).hash for n in range(3)] == ["1", "1", "1"]  # type: ignore[union-attr]
    assert keys.take(9, "somebody").hash in {"0", "1"}  # type: ignore[union-attr]


def test_a_cooldown_ends_by_itself() -> None:
    """As long as the provider asked, else the pool's own."""
    clock = Clock()
    keys = pool(clock)
    first = keys.take(1, None)
    assert first is not None
    keys.cool(first, 5.0)
    assert keys.take(2, None) is not first
    clock.now += 5.0
    keys.release(2)
    assert {keys.take(n, None) for n in range(3, 6)} >= {first}


def test_a_key_that_goes_moves_only_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rendezvous hashing: of 300 sessions only those on the cooling key move."""
    clock = Clock()
    keys = pool(clock)
    before = {f"s-{n}": keys.take(n, f"s-{n}") for n in range(300)}
    gone = before["s-0"]
    assert gone is not None
    keys.cool(gone, None)
    after = {name: keys.take(0, name) for name in before}
    moved = {name for name, key in before.items() if after[name] is not key}
    assert moved == {name for name, key in before.items() if key is gone}
    assert 60 < len(moved) < 140


class Limited:
    """A provider that lets each key make so many requests in each simulated minute."""

    def __init__(self, clock: Clock, way: Way, allowed: int) -> None:
        self.clock, self.way, self.allowed = clock, way, allowed
        self.served: dict[tuple[int, int], int] = {}
        self.refused = 0

    def __call__(self, request: Request) -> Reply:
        minute = int(self.clock.now // 60)
        place = (key_of(request), minute)
        if self.served.get(place, 0) >= self.allowed:
            self.refused += 1
            return refusal(429, "rate_limit_error", retry_after=str(60 - self.clock.now % 60))
        self.served[place] = self.served.get(place, 0) + 1
        return answer_of(self.way)


@pytest.fixture
def in_simulated_time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Waits let the clock go on, and nothing else."""
    clock = Clock()
    clock.now = 6000.0

    def sleep(seconds: float) -> None:
        clock.now += seconds

    monkeypatch.setattr("otelllm.steps.time.sleep", sleep)
    return clock


@pytest.mark.parametrize("sdk", ["openai", "anthropic"])
def test_three_keys_do_three_times_as_much(
    otel: Telemetry, provider: Provider, in_simulated_time: Clock, sdk: str
) -> None:
    """Twelve requests a minute and key; 180 calls, one after the other, half a second apart."""
    way, clock = Way(sdk, "sync", is_streamed=False), in_simulated_time
    took: list[float] = []
    for many in (1, 3):
        limited = Limited(clock, way, 12)
        provider.always = limited
        rules = policy(way)
        rules["keys"][0]["keys"] = rules["keys"][0]["keys"][:many]
        rules["retries"] = {**RETRIES, "max_wait": "61s", "max_attempts": 6}
        otel.instrument()
        running = setup._running
        assert running is not None
        running.enforcement.close()
        running.enforcement = Enforcement(learned=Learned(clock, lambda: 0.0))
        running._follow(from_mapping(rules), None)
        asking = Asking(way, provider.url, timeout=1000.0)
        clock.now = (clock.now // 60 + 1) * 60
        began = clock.now
        for number in range(180):
            assert asking.ask(f"question {number}")
            clock.now += 0.1
        took.append(clock.now - began)
        asking.app.stop()
    assert took[0] / took[1] >= 2.9
