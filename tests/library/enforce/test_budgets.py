"""Budgets: what they claim, settle on and say; calls that are warned of, routed, refused and cut, by real clients."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest
from wire import files
from wire.server import STALL, Reply, Request, sse, whole

import otelllm
from otelllm import semconv
from otelllm.attempt import AS_ASKED, Attempt, Target
from otelllm.call import Call, Cost, Scope, Usage
from otelllm.call import Request as Asked
from otelllm.enforce.budgets import Budget, Step, read
from otelllm.enforce.sizes import Size, Unbounded
from otelllm.enforce.values import Wrong
from otelllm.errors import BudgetExceeded
from otelllm.state.spec import Refused

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider

    from .apps import Asking


class Sized:
    """An attempt of so many tokens."""

    def __init__(self, tokens_in: float, tokens_out: float) -> None:
        self._size = Size(tokens_in, tokens_out)

    def likely(self) -> Size:
        return self._size

    at_most = likely


def budget(**said: Any) -> Budget:
    return read({"per": "day", **said}, ("budgets", 0), 0)


def call(model: str = "gpt-4o", **scope: Any) -> Call:
    return Call("openai", "chat", Asked(model=model), Scope(**scope))


def claimed(rule: Budget, of: Call, target: Target = AS_ASKED, tokens_in: float = 1000, tokens_out: float = 500) -> Any:
    (claim,) = rule.claims(of, target, Sized(tokens_in, tokens_out))  # type: ignore[arg-type]
    return claim


def test_money_is_reserved_at_the_price_of_the_model_that_is_asked():
    rule = budget(usd=2.0, scope="user")
    dear, cheap = (claimed(rule, call(user="u"), target) for target in (AS_ASKED, Target(model="gpt-4o-mini")))
    assert dear.amount == pytest.approx(0.0075)
    assert dear.kept == pytest.approx(0.0025), "the prompt is paid as soon as it is sent"
    assert cheap.amount < dear.amount / 10
    assert dear.bucket == cheap.bucket
    assert dear.bucket.capacity == 2.0


def test_each_user_has_a_bucket_and_a_call_on_nobodys_behalf_has_none():
    rule = budget(tokens=10_000, scope="user")
    assert len({claimed(rule, call(user=user)).bucket.key for user in ("a", "b", "a")}) == 2
    assert rule.applies(call(user="a"), AS_ASKED)
    assert not rule.applies(call(), AS_ASKED)


def test_a_rule_speaks_only_of_the_calls_that_it_means():
    rule = budget(tokens=10_000, when={"feature": "support"})
    assert [rule.applies(call(**scope), AS_ASKED) for scope in ({}, {"feature": "support"})] == [False, True]


def test_an_unknown_price_passes_or_not_as_the_rule_says():
    assert claimed(budget(usd=1.0), call("my-own-model")).amount == 0
    with pytest.raises(Unbounded, match="price of 'my-own-model' of openai is not known"):
        claimed(budget(usd=1.0, on_unknown_price="block"), call("my-own-model"))


def test_a_guessed_answer_never_makes_a_call_impossible():
    """A small budget and a model that might say much: what is left is reserved, and the stream ends there."""
    assert claimed(budget(tokens=100), call(), tokens_in=20, tokens_out=1000).amount == 100
    assert claimed(budget(tokens=100), call(), tokens_in=200, tokens_out=10).amount == 200, (
        "its prompt alone is too long"
    )


def test_a_call_is_settled_on_what_it_came_to():
    done, attempt = call(), Attempt(1, AS_ASKED, 0)
    done.cost, done.reading.usage = Cost("exact", 0.25), Usage(input=10, output=4)
    assert budget(usd=1.0).spent(done, attempt, ()) == [0.25]
    assert budget(tokens=100).spent(done, attempt, ()) == [14]
    assert budget(tokens=100).spent(call(), attempt, ()) == [0]


def test_a_whole_call_that_was_called_off_is_charged_its_prompt():
    rule, left = budget(usd=1.0), call()
    claimed(rule, left)
    left.error = asyncio.CancelledError()
    assert rule.spent(left, Attempt(1, AS_ASKED, 0), ()) == [pytest.approx(0.0025)]


def test_steps_come_at_their_shares_by_what_was_used_before_this_call():
    rule = budget(tokens=1000, name="b", at={"80%": "warn", "95%": "route:gpt-4o-mini@eu", "100%": "block"})
    for before, outcome in ((700, []), (800, ["warn"]), (950, ["route"])):
        asked = call()
        claim = claimed(rule, asked, tokens_in=10, tokens_out=10)
        other = rule.taken(asked, AS_ASKED, [before + claim.amount])
        assert [decision.outcome for decision in asked.decisions] == outcome
        assert other == (Target(model="gpt-4o-mini", endpoint="eu") if outcome == ["route"] else None)
    there = call()
    claimed(rule, there, Target(model="gpt-4o-mini"), 10, 10)
    assert rule.taken(there, Target(model="gpt-4o-mini"), [970]) is None, "it goes there already"
    assert rule.steps[0] == Step(1.0, "block")
    assert budget(usd=10.0, at={"50%": "block"}).capacity == 5.0
    assert budget(usd=10.0, at={"80%": "warn"}).capacity == float("inf"), "a budget that only warns refuses nobody"


def test_a_refusal_says_what_is_left_and_when_it_opens_again():
    rule = budget(usd=1.0, scope="user", name="users")
    of = call(user="u-1")
    refusal = rule.refusal(Refused(claimed(rule, of), 0.9975, None), rule.scope(of, AS_ASKED), None)
    assert str(refusal).startswith(
        "budget 'users' for user=u-1: $0.0025 of $1 per day is left, and this call may take $0.0075; it opens again in"
    )
    assert (refusal.rule, refusal.scope, refusal.used, refusal.cap) == ("users", "user=u-1", 0.9975, 1.0)
    assert refusal.opens_in_s is not None
    assert 0 < refusal.opens_in_s <= 86_400


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"per": "day"}, "has a cap: give it usd, or tokens"),
        ({"usd": 1, "tokens": 5, "per": "day"}, "and not both"),
        ({"usd": 1}, "needs a time: per ="),
        ({"usd": 0, "per": "day"}, "budgets.usd = 0 is not a number above 0"),
        ({"usd": 1, "per": "day", "at": {"80": "warn"}}, "budgets.at = '80' is not a share"),
        ({"usd": 1, "per": "day", "at": {"80%": "stop"}}, "budgets.at = 'stop' is no step"),
        ({"usd": 1, "per": "day", "at": []}, r"budgets.at = \[\] is no table of shares"),
        ({"usd": 1, "per": "day", "stream_over": "cut"}, "budgets.stream_over = 'cut' is none of 'error', 'finish'"),
        ({"usd": 1, "per": "day", "scop": "user"}, "budgets.scop is not a key; did you mean 'scope'"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(said, says):
    with pytest.raises(Wrong, match=says):
        read(said, ("budgets", 0), 0)


# Through the real clients.


def policy(**said: Any) -> Any:
    return {"state": {"url": "memory:"}, "budgets": [{"name": "b", "per": "day", **said}]}


def _outcomes(span: Any) -> list[str]:
    return [str(it.attributes["outcome"]) for it in span.events if it.name == semconv.EVENT_DECISION]


def _until_refused(asking: Asking, **arguments: Any) -> BudgetExceeded:
    """Ask until the budget is used up."""
    for _ in range(20):
        try:
            asking.ask(**arguments)
        except BudgetExceeded as refused:
            return refused
    raise AssertionError("20 calls were let pass")


def _read_until_refused(asking: Asking, stream: Any) -> tuple[list[Any], BudgetExceeded]:
    """Read a stream to the chunk in whose place a refusal comes."""
    got: list[Any] = []
    for _ in range(LONG + 10):
        try:
            got += asking.app.take(stream, 1)
        except BudgetExceeded as refused:
            return got, refused
    raise AssertionError("the stream was not ended")


def test_a_budget_that_is_used_up_refuses_before_anything_is_sent(
    asking: Asking, provider: Provider, otel: Telemetry
) -> None:
    otel.instrument(policy=policy(tokens=150, scope="user"))
    with otelllm.context(user="u-1"):
        assert asking.ask(max_tokens=50)
        sent = len(provider.requests)
        refused = _until_refused(asking, max_tokens=50)
    assert len(provider.requests) < sent + 20
    assert (refused.rule, refused.scope, refused.cap) == ("b", "user=u-1", 150)
    assert otel.spans[-1].attributes[semconv.VERDICT] == "block"
    with otelllm.context(user="u-2"):
        assert asking.ask(max_tokens=50), "another user has a budget of their own"


def test_nested_budgets_are_all_charged_or_none(asking: Asking, provider: Provider, otel: Telemetry) -> None:
    rules = policy(tokens=100_000, scope="user")
    rules["budgets"].append({"name": "all", "per": "day", "tokens": 60})
    otel.instrument(policy=rules)
    with otelllm.context(user="u-1"):
        assert _until_refused(asking, max_tokens=20).rule == "all"


def test_near_the_cap_calls_are_warned_of_and_go_to_the_cheaper_model(
    asking: Asking, provider: Provider, otel: Telemetry, caplog: pytest.LogCaptureFixture
) -> None:
    otel.instrument()
    asking.ask(max_tokens=20)
    used = otel.attributes[semconv.USAGE_INPUT] + otel.attributes[semconv.USAGE_OUTPUT]
    otel.instrument(policy=policy(tokens=100 * used, at={"0.5%": "warn", "2.5%": "route:cheap", "100%": "block"}))
    models = []
    for _ in range(6):
        asking.ask(max_tokens=20)
        models.append(provider.last.json["model"])
    asked = asking.arguments()["model"]
    assert models[0] == asked
    assert models[-1] == "cheap"
    assert _outcomes(otel.spans[-1])[0] == "route"
    assert otel.spans[-1].attributes[semconv.ROUTE_FROM] == asked
    assert ["warn" in _outcomes(span) for span in otel.spans] == [False, False, True, True, False, False, False]
    assert sum("has passed" in record.message for record in caplog.records) == 1, "once a window in the log"


LONG = 400
"""Chunks of a stream that nobody told when to end."""


def _long_stream(sdk: str) -> Reply:
    """Text, text, text: an answer of a few thousand tokens."""
    word = "word " * 8
    if sdk == "openai":
        body = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o"}
        chunks = [
            files.event({**body, "choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]})
            for _ in range(LONG)
        ]
        return sse(*chunks, files.event("[DONE]"))
    begun = {"id": "m", "type": "message", "role": "assistant", "model": "claude-sonnet-4-6", "content": [],
             "stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 10, "output_tokens": 1}}  # fmt: skip
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": begun},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}},) * LONG,
    ]
    return sse(*(files.event(one, one["type"]) for one in events), STALL)


@pytest.fixture
def long_answers(asking: Asking, provider: Provider) -> Provider:
    """The provider, answering streams at great length."""
    reply = _long_stream(asking.way.sdk)
    provider.always = reply
    return provider


def test_a_stream_that_reaches_the_cap_ends_within_one_chunk(
    asking: Asking, long_answers: Provider, otel: Telemetry
) -> None:
    if not asking.way.is_streamed:
        pytest.skip("a whole answer has no middle")
    otel.instrument(policy=policy(tokens=500))
    stream = asking.start(max_tokens=100_000 if asking.way.sdk == "anthropic" else None)
    got, refused = _read_until_refused(asking, stream)
    assert "the stream reached 500 tokens per day" in str(refused)
    tokens = len(asking.text_of(got)) / 4
    assert 400 < tokens < 500, "a chunk has ten tokens"
    assert otel.span.attributes[semconv.STREAM_END] == "blocked"
    assert _outcomes(otel.span)[0] == "end_stream"
    assert otel.span.attributes[semconv.USAGE_OUTPUT] == pytest.approx(tokens, rel=0.1)
    with pytest.raises(BudgetExceeded):
        asking.start(max_tokens=10)


def test_by_setting_it_ends_as_if_the_provider_had_cut_it(
    asking: Asking, long_answers: Provider, otel: Telemetry
) -> None:
    if not asking.way.is_streamed:
        pytest.skip("a whole answer has no middle")
    otel.instrument(policy=policy(tokens=500, stream_over="finish"))
    chunks = asking.app.read(asking.start(max_tokens=100_000 if asking.way.sdk == "anthropic" else None))
    assert 400 < len(asking.text_of(chunks)) / 4 <= 510
    if asking.way.sdk == "openai":
        assert chunks[-1].choices[0].finish_reason == "length"
        assert [type(chunk).__name__ for chunk in chunks[-2:]] == ["ChatCompletionChunk"] * 2
    else:
        assert [chunk.type for chunk in chunks[-3:]] == ["content_block_stop", "message_delta", "message_stop"]
        assert chunks[-2].delta.stop_reason == "max_tokens"
    assert otel.span.attributes[semconv.RESPONSE_FINISH_REASONS] == ("length",)
    assert semconv.ERROR_TYPE not in otel.span.attributes
    assert _outcomes(otel.span)[0] == "finish_stream"


def test_a_stream_that_is_left_is_charged_what_had_come(
    asking: Asking, long_answers: Provider, otel: Telemetry
) -> None:
    if not asking.way.is_streamed:
        pytest.skip("a whole answer has no middle")
    otel.instrument(policy=policy(tokens=3000))
    stream = asking.start(max_tokens=2000)
    asking.app.take(stream, 100)
    asking.app.close(stream)
    assert asking.start(max_tokens=1500) is not None, "2,000 were reserved, 1,000 used"


def test_in_shadow_nothing_is_refused_and_what_would_have_been_is_told(
    asking: Asking, provider: Provider, otel: Telemetry
) -> None:
    otel.instrument(policy=policy(tokens=60, mode="shadow"))
    for _ in range(6):
        assert asking.ask(max_tokens=20)
    assert "would_block" in _outcomes(otel.spans[-1])


def test_what_the_provider_refused_is_given_back(asking: Asking, provider: Provider, otel: Telemetry) -> None:
    answer = provider.always
    otel.instrument(policy=policy(tokens=150))

    def refuse(_: Request) -> Reply:
        return whole({"error": {"message": "busy", "type": "x"}, "type": "error"}, status=500)

    provider.always = refuse
    for _ in range(5):
        with pytest.raises(Exception, match="busy"):
            asking.ask(max_tokens=50)
    provider.always = answer
    assert asking.ask(max_tokens=50)


def test_threads_at_once_never_pass_the_cap(provider: Provider, otel: Telemetry) -> None:
    """16 threads, a budget for 17 calls: those that passed used no more than there was."""
    from .apps import Asking, Way

    way = Way("openai", "sync", is_streamed=False)
    usage = {"prompt_tokens": 8, "completion_tokens": 50, "total_tokens": 58}
    provider.always = whole(files.edited("openai/chat.json", usage=usage))
    asking = Asking(way, provider.url)
    otel.instrument(policy=policy(tokens=1_000, estimate="strict"))
    passed: list[str] = []

    def work() -> None:
        for _ in range(5):
            try:
                passed.append(asking.ask(max_tokens=50))
            except BudgetExceeded:
                return

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asking.app.stop()
    used = sum(
        span.attributes[semconv.USAGE_INPUT] + span.attributes[semconv.USAGE_OUTPUT]
        for span in otel.spans
        if semconv.USAGE_OUTPUT in (span.attributes or {})
    )
    assert passed
    assert used <= 1_000
