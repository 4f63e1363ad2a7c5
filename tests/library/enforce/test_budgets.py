"""Budgets: what they claim, what they settle on, when they warn, route and refuse."""

from __future__ import annotations

from typing import Any

import pytest

from otelllm.attempt import AS_ASKED, Target
from otelllm.call import Call, Cost, Request, Scope, Usage
from otelllm.enforce.budgets import Budget, Step, read
from otelllm.enforce.values import Wrong
from otelllm.errors import BudgetExceeded
from otelllm.state.spec import Refused


class Size:
    """So many tokens."""

    def __init__(self, tokens_in: float, tokens_out: float) -> None:
        self.input, self.output = tokens_in, tokens_out


def budget(**said: Any) -> Budget:
    return read({"per": "day", **said}, ("budgets", 0), 0)


def call(model: str = "gpt-4o", **scope: Any) -> Call:
    return Call("openai", "chat", Request(model=model), Scope(**scope))


def test_money_is_reserved_at_the_price_of_the_model_that_is_asked():
    rule = budget(usd=2.0, scope="user")
    dear, cheap = (
        rule.claim(call(user="u-1"), target, Size(1000, 500)) for target in (AS_ASKED, Target(model="gpt-4o-mini"))
    )
    assert dear is not None
    assert cheap is not None
    assert dear.amount == pytest.approx(0.0075)
    assert dear.kept == pytest.approx(0.0025), "the prompt is paid as soon as it is sent"
    assert cheap.amount < dear.amount / 10
    assert dear.bucket == cheap.bucket
    assert dear.bucket.capacity == 2.0


def test_each_user_has_a_bucket_and_each_window():
    rule = budget(tokens=1000, scope="user")
    keys = {rule.claim(call(user=user), AS_ASKED, Size(1, 1)).bucket.key for user in ("a", "b", "a")}  # type: ignore[union-attr]
    assert len(keys) == 2
    assert all("2" in key for key in keys)
    assert rule.claim(call(), AS_ASKED, Size(1, 1)) is None, "a call on nobody's behalf is no user's"


def test_a_rule_speaks_only_of_the_calls_that_it_means():
    rule = budget(tokens=1000, when={"feature": "support"})
    assert rule.claim(call(), AS_ASKED, Size(1, 1)) is None
    assert rule.claim(call(feature="support"), AS_ASKED, Size(10, 5)).amount == 15  # type: ignore[union-attr]


def test_an_unknown_price_passes_or_not_as_the_rule_says():
    passes = budget(usd=1.0).claim(call("my-own-model"), AS_ASKED, Size(10, 10))
    assert passes is not None
    assert passes.amount == 0
    with pytest.raises(BudgetExceeded, match=r"'my-own-model' of openai is; give it one by otelllm\.instrument"):
        budget(usd=1.0, on_unknown_price="block").claim(call("my-own-model"), AS_ASKED, Size(10, 10))


def test_a_call_is_settled_on_what_it_came_to():
    done = call()
    done.cost, done.reading.usage = Cost("exact", 0.25), Usage(input=10, output=4)
    assert budget(usd=1.0).actual(done) == 0.25
    assert budget(tokens=100).actual(done) == 14
    assert budget(tokens=100).actual(call()) == 0


def test_steps_come_at_their_shares_and_the_last_one_refuses():
    rule = budget(usd=10.0, at={"80%": "warn", "95%": "route:gpt-4o-mini@eu", "100%": "block"})
    assert [rule.step(used) for used in (7.9, 8.0, 9.5)] == [
        None, Step(0.8, "warn"), Step(0.95, "route", "gpt-4o-mini@eu"),
    ]  # fmt: skip
    assert rule.capacity == 10.0
    assert budget(usd=10.0, at={"50%": "block"}).capacity == 5.0
    assert budget(usd=10.0, at={"80%": "warn"}).capacity == float("inf"), "a budget that only warns refuses nobody"


def test_a_refusal_says_what_is_left_and_when_it_opens_again():
    rule = budget(usd=1.0, scope="user", name="users")
    claim = rule.claim(call(user="u-1"), AS_ASKED, Size(1000, 500))
    assert claim is not None
    refusal = rule.refusal(Refused(claim, 0.9975, None), "u-1")
    assert str(refusal).startswith(
        "the budget 'users' of 'u-1' has $0.0025 left of $1 per day, and this call may take $0.0075; it opens again in"
    )
    assert (refusal.rule, refusal.scope, refusal.used, refusal.cap) == ("users", "user", 0.9975, 1.0)
    assert refusal.opens_in_s is not None
    assert 0 < refusal.opens_in_s <= 86_400


def test_a_call_larger_than_the_budget_is_told_so():
    rule = budget(tokens=10)
    claim = rule.claim(call(), AS_ASKED, Size(100, 5))
    assert claim is not None
    refusal = rule.refusal(Refused(claim, 0.0, float("inf")))
    assert refusal.opens_in_s == float("inf")
    assert "larger than the whole budget: send less, or raise the cap" in str(refusal)


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
