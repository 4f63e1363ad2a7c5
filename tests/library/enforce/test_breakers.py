"""The circuit breaker of a target, the storm breaker of a place, and how long is waited, by a clock of their own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otelllm.enforce.breaker import Breaker, BreakerRules
from otelllm.enforce.retries import RetryRules, backoff_s, wait_s
from otelllm.enforce.storms import FREE, Storms
from otelllm.errors import BadConfig
from otelllm.policy import from_mapping, parse


class Clock:
    """Time that passes when we say so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


RULES = BreakerRules(errors=3, within_s=30.0, open_s=20.0)


def opened(clock: Clock) -> Breaker:
    """A breaker that has just opened."""
    breaker = Breaker(clock)
    assert [breaker.failed(RULES) for _ in range(3)] == [False, False, True]
    return breaker


def test_errors_within_the_window_open_it() -> None:
    """Old ones don't count."""
    clock = Clock()
    breaker = Breaker(clock)
    for _ in range(5):
        assert not breaker.failed(RULES)
        clock.now += 16.0
    assert breaker.passes(RULES)
    assert not opened(clock).passes(RULES)


def test_one_trial_call_and_no_other() -> None:
    """Half-open: the first that asks."""
    clock = Clock()
    breaker = opened(clock)
    clock.now += 20.0
    assert [breaker.passes(RULES) for _ in range(3)] == [True, False, False]


def test_a_trial_that_succeeds_closes_it() -> None:
    """And the errors before are forgotten."""
    clock = Clock()
    breaker = opened(clock)
    clock.now += 20.0
    assert breaker.passes(RULES)
    breaker.succeeded()
    assert all(breaker.passes(RULES) for _ in range(3))
    assert not breaker.failed(RULES)


def test_a_trial_that_fails_opens_it_anew() -> None:
    """For the whole time."""
    clock = Clock()
    breaker = opened(clock)
    clock.now += 20.0
    assert breaker.passes(RULES)
    assert breaker.failed(RULES)
    clock.now += 19.9
    assert not breaker.passes(RULES)
    clock.now += 0.1
    assert breaker.passes(RULES)


def test_a_trial_whose_end_is_never_told_is_followed_by_another() -> None:
    """A cancelled one, say."""
    clock = Clock()
    breaker = opened(clock)
    clock.now += 20.0
    assert breaker.passes(RULES)
    clock.now += 20.0
    assert breaker.passes(RULES)


def test_retries_are_at_most_a_tenth_of_a_minutes_requests() -> None:
    """Every request fails and wants a retry; a few are free whatever the ratio."""
    clock = Clock()
    storms, retries = Storms(clock), 0
    for _ in range(1_000):
        storms.request(("openai", ""))
        retries += storms.may_retry(("openai", ""), 0.10)
        clock.now += 0.05
    assert FREE < retries <= 100


def test_a_quiet_app_may_retry_and_another_place_counts_apart() -> None:
    """One call, one retry; a storm elsewhere is nothing to it; a minute later it is over."""
    clock = Clock()
    storms = Storms(clock)
    storms.request(("openai", ""))
    assert all(storms.may_retry(("openai", ""), 0.10) for _ in range(FREE))
    assert not storms.may_retry(("openai", ""), 0.10)
    assert storms.may_retry(("openai", "eu"), 0.10)
    clock.now += 61.0
    assert storms.may_retry(("openai", ""), 0.10)


@given(st.integers(0, 100), st.floats(0, 1), st.floats(0.001, 60), st.floats(0.001, 300))
def test_full_jitter_is_between_nothing_and_twice_the_last(
    retries: int, drawn: float, base: float, most: float
) -> None:
    """2^n times the base, capped."""
    rules = RetryRules(base_s=base, max_wait_s=most)
    ceiling = min(most, base * 2.0 ** min(retries, 32))
    assert backoff_s(rules, retries) == ceiling
    assert wait_s(rules, retries, None, lambda: drawn) == drawn * ceiling
    assert 5.0 <= wait_s(rules, retries, 5.0, lambda: drawn) <= 5.5


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[retries]\nmax_attempts = 0", "f.toml:2: retries.max_attempts = 0 is not a whole number from 1 on"),
        ("[retries]\nbase = 'soon'", "f.toml:2: retries.base = 'soon' is not a time"),
        ("[retries]\nstorm = 1", "f.toml:2: retries.storm is not a key; did you mean 'storm_ratio'?"),
        ("[[endpoints]]\nname = 'eu'", "f.toml:1: endpoints 1 has no provider"),
        ("[[endpoints]]\nname='e'\nprovider='p'\nbase_url='https://u:p@h'", "f.toml:4: endpoints.base_url is no URL"),
        ("[[endpoints]]\nname='e'\nprovider='p'\nbase_url='https://h/?k=1'", "f.toml:4: endpoints.base_url is no URL"),
        ("[[fallbacks]]\nmodel = 'a'", "f.toml:1: fallbacks 1 has no to"),
        ("[[fallbacks]]\nto = ['a@eu']", "f.toml:2: fallbacks.to = 'a@eu': no [[endpoints]] has the name 'eu'"),
        ("[[routes]]\nmodel = 'a@eu'", "f.toml:2: routes.model = 'a@eu': no [[endpoints]] has the name 'eu'"),
        ("[[fallbacks]]\nto = ['a']\non = ['500']", "f.toml:3: fallbacks.on = '500' is none of 'timeout', '5xx'"),
        ("[[fallbacks]]\nto = ['a']\nbreaker = { open = 'x' }", "f.toml:3: fallbacks.breaker.open = 'x' is not a time"),
        ("[[keys]]\nprovider = 'openai'", "f.toml:1: keys 1 has no keys"),
    ],
)  # fmt: skip
def test_every_mistake_names_its_line_the_value_and_the_way_out(text: str, says: str) -> None:
    """As all of a policy's."""
    with pytest.raises(BadConfig) as caught:
        parse(text, "f.toml")
    assert str(caught.value).startswith(says)


def test_a_models_date_is_no_endpoint() -> None:
    """Vertex's names have an @ in them."""
    policy = from_mapping({"fallbacks": [{"to": ["claude-sonnet-4@20250514"]}]})
    assert policy.fallbacks[0].to == ("claude-sonnet-4@20250514",)
