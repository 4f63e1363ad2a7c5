"""[[limits]] through the SDKs' own clients: who is refused, who waits, what is reserved and what it is settled on."""

from __future__ import annotations

import time

import pytest
from wire.server import Reply, whole

import otelllm
from otelllm.errors import RateLimited

MEMORY = {"state": {"url": "memory:"}}


def limits(*rules, **sections):
    return {**MEMORY, "limits": [{"scope": "all", **rule} for rule in rules], **sections}


def decisions(otel) -> list[dict]:
    return [dict(event.attributes) for span in otel.spans for event in span.events if event.name == "otelllm.decision"]


@pytest.fixture
def still(otel):
    """Turns a policy on whose rates do not refill: what is used stays readable."""

    def turn_on(**rule) -> None:
        otel.instrument(policy=limits(rule))
        otelllm.setup._running.enforcement._states["memory:"]._clock = lambda: 1000.0

    return turn_on


def used(capacity: float, rule: str = "limits 1", name: str = "requests_per_minute") -> float:
    """What is used of a bucket of scope "all", as the running policy counts it."""
    from otelllm.setup import _running
    from otelllm.state.spec import Bucket
    from otelllm.steps import drive

    kind = "slots" if name == "concurrent" else "rate"
    bucket = Bucket(f"{rule}|all||{name}", kind, capacity, per_s=capacity / 60)
    state = _running.enforcement._states["memory:"]
    return drive(state.read([bucket]), None)[0]


def test_what_is_above_a_limit_is_refused_with_what_an_app_needs_to_know(otel, asking, provider):
    otel.instrument(policy=limits({"name": "few", "requests_per_minute": 2, "when_full": "reject"}))
    asking.ask()
    asking.ask()
    with pytest.raises(
        RateLimited, match=r"limit 'few' for all: 2 of 2 requests per minute used; it opens in"
    ) as refused:
        asking.ask()
    error = refused.value
    assert (error.rule, error.scope, round(error.used), error.cap) == ("few", "all", 2, 2)
    assert 25 < error.opens_in_s <= 30
    assert [one["outcome"] for one in decisions(otel)] == ["block"]
    assert len(provider.requests) == 2


def test_tokens_are_settled_on_what_the_provider_counted(otel, asking, still):
    """A stream at its end; of Anthropic's input what was not in the cache, as its own limits count."""
    still(input_tokens_per_minute=100_000, output_tokens_per_minute=100_000)
    asking.ask(max_tokens=5_000)
    counted = otel.attributes
    cached = counted["gen_ai.usage.cache_read.input_tokens"] if asking.way.sdk == "anthropic" else 0
    told = [used(100_000, name=f"{side}_tokens_per_minute") for side in ("input", "output")]
    expected = [counted["gen_ai.usage.input_tokens"] - cached, counted["gen_ai.usage.output_tokens"]]
    assert told == pytest.approx(expected)


def test_a_stream_that_is_left_is_charged_what_came(asking, still):
    if not asking.way.is_streamed:
        pytest.skip("only streams are left")
    still(output_tokens_per_minute=100_000, concurrent=1)
    stream = asking.start(max_tokens=50_000)
    assert used(100_000, name="output_tokens_per_minute") > 1_000
    assert used(1, name="concurrent") == 1
    asking.app.take(stream, 2)
    asking.app.close(stream)
    assert used(100_000, name="output_tokens_per_minute") < 200
    assert used(1, name="concurrent") == 0


def test_a_failed_call_gives_its_tokens_back(asking, provider, still):
    still(input_tokens_per_minute=1_000_000, requests_per_minute=60, concurrent=1)
    provider.always = whole({"error": {"message": "no", "type": "server_error"}}, status=500)
    with pytest.raises(Exception, match="no"):
        asking.ask("x" * 400_000)
    assert used(1_000_000, name="input_tokens_per_minute") == pytest.approx(0, abs=2)
    assert used(60) == pytest.approx(1, abs=0.1)
    assert used(1, name="concurrent") == 0


def test_a_call_waits_for_its_turn(otel, asking):
    otel.instrument(policy=limits({"name": "pace", "requests_per_minute": 120, "when_full": "queue"}))
    from otelllm.setup import _running
    from otelllm.state.spec import Bucket, Told

    asking.ask()
    state = _running.enforcement._states["memory:"]
    state.correct([Told(Bucket("pace|all||requests_per_minute", "rate", 120, per_s=2), 0.8)])
    begun = time.monotonic()
    asking.ask()
    waited = time.monotonic() - begun
    told = decisions(otel)[-1]
    assert (told["rule"], told["outcome"]) == ("pace", "queue")
    assert 0.08 <= told["waited"] <= waited
    assert otel.spans[-1].attributes["otelllm.waited"] == pytest.approx(told["waited"])


def test_a_wait_that_would_be_too_long_is_refused_at_once(otel, asking):
    otel.instrument(policy=limits({"requests_per_minute": 1, "max_wait": "20s"}))
    asking.ask()
    begun = time.monotonic()
    with pytest.raises(RateLimited, match=r"the wait would be (59|60)\.\d s, longer than 20 s") as refused:
        asking.ask()
    assert time.monotonic() - begun < 5
    assert refused.value.opens_in_s == pytest.approx(60, abs=1)


def test_the_callers_own_timeout_counts_too(otel, asking):
    otel.instrument(policy=limits({"requests_per_minute": 1, "max_wait": "10m"}))
    asking.ask()
    with pytest.raises(RateLimited, match="the wait would be"):
        asking.ask(timeout=5.0)


def test_a_call_larger_than_its_bucket_is_refused_whatever_the_queue_allows(otel, asking):
    otel.instrument(policy=limits({"input_tokens_per_minute": 1_000, "max_wait": "10m"}))
    with pytest.raises(RateLimited, match=r"asks for \d+,\d+, more than there ever is"):
        asking.ask("x" * 40_000)


def test_a_full_limit_routes_to_another_model(otel, asking, provider):
    """Whose own buckets it then takes; a model to which nobody is routed twice refuses."""
    small = {"openai": "gpt-4o-mini", "anthropic": "claude-haiku-4-5"}[asking.way.sdk]
    large = asking.arguments()["model"]
    otel.instrument(
        policy={
            **MEMORY,
            "limits": [
                {"scope": f"model:{large}", "requests_per_minute": 1, "when_full": f"route:{small}"},
                {"scope": f"model:{small}", "requests_per_minute": 1, "when_full": f"route:{large}"},
            ],
        }
    )
    asking.ask()
    asking.ask()
    assert [request.json["model"] for request in provider.requests] == [large, small]
    assert otel.spans[-1].attributes["otelllm.route.from"] == large
    with pytest.raises(RateLimited, match="limit 'limits"):
        asking.ask()
    assert [one["outcome"] for one in decisions(otel)] == ["route", "route", "route", "block"]


def test_shadow_decides_the_same_and_changes_nothing(otel, asking):
    """It counts in buckets of its own: what would have been refused takes nothing there."""
    otel.instrument(policy=limits({"name": "s", "mode": "shadow", "requests_per_minute": 2, "when_full": "reject"}))
    for _ in range(4):
        asking.ask()
    assert [(one["mode"], one["outcome"]) for one in decisions(otel)] == [("shadow", "would_block")] * 2


@pytest.mark.parametrize(
    ("scope", "whom"),
    [("user", "user=u-1"), ("tag:tenant", "tag:tenant=acme"), (["user", "feature"], "user, feature=u-1, chat")],
)
def test_a_bucket_for_each_value_of_its_scope(otel, asking, scope, whom):
    otel.instrument(policy=limits({"scope": scope, "requests_per_minute": 1, "when_full": "reject"}))
    with otelllm.context(user="u-2", tags={"tenant": "other"}, feature="chat"):
        asking.ask()
    with otelllm.context(user="u-1", tags={"tenant": "acme"}, feature="chat"):
        asking.ask()
        with pytest.raises(RateLimited) as refused:
            asking.ask()
    assert refused.value.scope == whom
    asking.ask()  # on nobody's behalf: the rule does not speak of it


def test_strict_refuses_what_it_cannot_bound(otel, asking):
    otel.instrument(policy=limits({"output_tokens_per_minute": 10_000, "estimate": "strict"}))
    if asking.way.sdk == "openai":
        with pytest.raises(RateLimited, match="no output limit is sent; send max_tokens"):
            asking.ask()
    asking.ask(max_tokens=100)
    with pytest.raises(RateLimited, match="asks for 20,000, more than there ever is"):
        asking.ask(max_tokens=20_000)


def test_a_providers_headers_lower_what_is_left(otel, asking, provider):
    """On whole answers and on streams."""
    scope = "provider:" + asking.way.sdk
    otel.instrument(policy=limits({"name": "tier", "scope": scope, "requests_per_minute": 6, "when_full": "reject"}))
    name = "x-ratelimit-remaining-requests" if asking.way.sdk == "openai" else "anthropic-ratelimit-requests-remaining"
    reply = provider.always

    def with_headers(request) -> Reply:
        answer = reply(request)
        answer.headers = {**answer.headers, name: "0"}
        return answer

    provider.always = with_headers
    asking.ask()
    with pytest.raises(RateLimited) as refused:
        asking.ask()
    assert refused.value.used > 5


@pytest.mark.parametrize(("fail", "outcome"), [("open", "fail_open"), ("closed", "fail_closed")])
def test_where_the_counters_are_away_the_rule_decides_and_it_is_seen(otel, asking, tmp_path, fail, outcome):
    (tmp_path / "folder").mkdir()
    state = {"url": f"sqlite:{tmp_path / 'folder'}", "fail": "open"}
    otel.instrument(policy={"state": state, "limits": [{"scope": "all", "requests_per_minute": 1, "fail": fail}]})
    if fail == "open":
        asking.ask()
    else:
        with pytest.raises(RateLimited, match=r"can't be used: .*refuses calls meanwhile"):
            asking.ask()
    assert [one["outcome"] for one in decisions(otel)] == [outcome]


def test_all_processes_of_a_host_count_in_one_file(otel, asking, tmp_path):
    """The default, as soon as there is a limit."""
    policy = {
        "state": {"url": f"sqlite:{tmp_path / 'counters.sqlite'}"},
        "limits": [{"scope": "all", "requests_per_minute": 2, "when_full": "reject"}],
    }
    otel.instrument(policy=policy)
    asking.ask()
    otel.instrument(policy=policy)  # as another process would
    asking.ask()
    with pytest.raises(RateLimited):
        asking.ask()


def test_a_provider_that_asks_to_wait_is_not_asked_before(otel, asking, provider):
    """Its `retry-after` shuts the limit for everybody, this call's own next try too."""
    scope = "provider:" + asking.way.sdk
    otel.instrument(policy=limits({"scope": scope, "requests_per_minute": 60, "when_full": "reject"}))
    provider.always = whole({"error": {"message": "slow down"}}, status=429, retry_after="30")
    with pytest.raises(Exception, match="slow down"):
        asking.ask()
    with pytest.raises(RateLimited) as refused:
        asking.ask()
    assert refused.value.opens_in_s == pytest.approx(30, abs=1.5)
    assert len(provider.requests) == 1


def test_what_cannot_be_measured_is_let_pass_and_never_breaks_a_call(otel, asking, monkeypatch):
    """A fault of ours costs the app nothing (but for tests, which it fails)."""
    from otelllm import safely
    from otelllm.enforce import admission

    def broken(*_, **__):
        raise LookupError("ours")

    otel.instrument(policy=limits({"input_tokens_per_minute": 1_000}))
    monkeypatch.setattr(admission, "measure", broken)
    safely.strict(False)
    assert asking.ask()
    safely.strict(True)
    with pytest.raises(LookupError):
        asking.ask()


@pytest.mark.slow
@pytest.mark.parametrize("url", ["sqlite:{folder}/counters.sqlite", "redis"])
def test_what_a_short_program_used_is_written_before_it_ends(provider, tmp_path, request, url):
    """And its slots are free: nobody has to wait until its lease ends."""
    from program import answer_chats, environment, run, write

    from otelllm.state.opening import open_state
    from otelllm.state.spec import Bucket
    from otelllm.steps import drive

    url = request.getfixturevalue("redis_url") if url == "redis" else url.format(folder=tmp_path)
    answer_chats(provider)
    code = f"""
    otelllm.instrument(service_name="program", policy={{"state": {{"url": {url!r}}}, "limits": [
        {{"scope": "all", "concurrent": 2, "tokens_per_day": 1_000_000}}]}})
    ask("hello")
    """
    done = run(write(tmp_path / "program.py", code), environment(provider, OTEL_TRACES_EXPORTER="none"))
    assert (done.returncode, done.stderr) == (0, "")
    state = open_state(url, "program")
    names = [("concurrent", "slots", 0.0), ("tokens_per_day", "sum", 86_400.0)]
    buckets = [Bucket(f"limits 1|all||{name}", kind, 10, window_s=window) for name, kind, window in names]
    assert drive(state.read(buckets), None) == [0, 1250]
    state.close()


def test_a_bucket_that_comes_above_its_cap_by_the_estimates_error_is_shown(otel, asking, still):
    """On the span of the call that did it; one that took a little more than was expected says nothing."""
    still(output_tokens_per_minute=60)
    asking.ask(max_tokens=40)  # the answer has 50 tokens: more than was reserved, less than there is
    with pytest.raises(RateLimited):
        asking.ask(max_tokens=40)
    still(output_tokens_per_minute=45)
    asking.ask(max_tokens=40)
    told = [(one["outcome"], one["reserved"], one["settled"]) for one in decisions(otel) if "reserved" in one]
    assert told == [("overshoot", 40, 50)]
