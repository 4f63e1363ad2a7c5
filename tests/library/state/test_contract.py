"""What every store of counters holds to (otelllm/state/spec.py), by a clock that the test moves."""

from __future__ import annotations

import math
import random

import pytest

from otelllm.state.spec import Bucket, Claim, Lease, Refused, Told

TOKENS = Bucket("tokens", "rate", 600, per_s=10)
REQUESTS = Bucket("requests", "rate", 5, per_s=5 / 60)
SLOTS = Bucket("slots", "slots", 2)
TODAY = Bucket("day|2027-01-15", "sum", 1.0, ends_at=1_800_000_000.0 + 3600)
ROLLING = Bucket("rolling", "sum", 100, window_s=3600)


def test_a_rate_gives_what_it_holds_and_then_what_comes_back(store):
    """No window: what was used up at its edge is not there again a moment later."""
    assert type(store.acquire(Claim(TOKENS, 600))) is Lease
    assert store.acquire(Claim(TOKENS, 50)) == Refused(Claim(TOKENS, 50), 600, 5.0)
    assert type(store.after(4.9).acquire(Claim(TOKENS, 50))) is Refused
    assert type(store.after(0.1).acquire(Claim(TOKENS, 50))) is Lease
    assert store.used(TOKENS) == [600]
    assert store.after(3600).used(TOKENS) == [0]
    assert type(store.acquire(Claim(TOKENS, 601))) is Refused


@pytest.mark.parametrize("bucket", [TOKENS, SLOTS, TODAY, ROLLING], ids=lambda it: it.key)
def test_what_is_larger_than_the_bucket_never_fits(store, bucket):
    refused = store.acquire(Claim(bucket, bucket.capacity + 1))
    assert refused == Refused(Claim(bucket, bucket.capacity + 1), 0, math.inf)


@pytest.mark.parametrize("bucket", [TOKENS, REQUESTS, SLOTS, TODAY, ROLLING], ids=lambda it: it.key)
def test_exactly_the_capacity_is_given_out_however_it_is_cut(store, bucket):
    step = bucket.capacity / 100 if bucket.kind != "slots" and bucket is not REQUESTS else 1
    taken = 0.0
    while type(store.acquire(Claim(bucket, step))) is Lease:
        taken += step
    assert taken == pytest.approx(bucket.capacity, rel=1e-9)


def test_slots_are_free_again_when_settled(store):
    first, second = store.acquire(Claim(SLOTS, 1)), store.acquire(Claim(SLOTS, 1))
    assert store.acquire(Claim(SLOTS, 1)) == Refused(Claim(SLOTS, 1), 2, None)
    store.settle(first, 1)
    assert type(store.acquire(Claim(SLOTS, 1))) is Lease
    store.settle(second, 0)
    assert store.used(SLOTS) == [1]


def test_a_sum_of_the_calendar_opens_with_the_next_window(store):
    store.acquire(Claim(TODAY, 0.9))
    assert store.after(600).acquire(Claim(TODAY, 0.2)) == Refused(Claim(TODAY, 0.2), pytest.approx(0.9), 3000)
    tomorrow = TODAY._replace(key="day|2027-01-16", ends_at=TODAY.ends_at + 86_400)
    assert type(store.after(3001).acquire(Claim(tomorrow, 0.2))) is Lease


def test_a_rolling_sum_forgets_what_is_older_than_its_window(store):
    """Nobody runs a job: it is reckoned when it is read. It forgets up to a sixtieth late, and never early."""
    store.acquire(Claim(ROLLING, 60))
    store.after(1800).acquire(Claim(ROLLING, 40))
    refused = store.after(1000).acquire(Claim(ROLLING, 50))
    assert (refused.used, 800 <= refused.opens_in_s <= 860) == (100, True)
    assert type(store.after(799).acquire(Claim(ROLLING, 50))) is Refused
    assert type(store.after(61).acquire(Claim(ROLLING, 50))) is Lease
    assert store.used(ROLLING) == [90]


def test_all_claims_are_taken_or_none(store):
    store.acquire(Claim(SLOTS, 2))
    refused = store.acquire(Claim(TOKENS, 10), Claim(REQUESTS, 1), Claim(SLOTS, 1), Claim(TODAY, 0.1))
    assert refused.claim.bucket == SLOTS
    assert store.used(TOKENS, REQUESTS, SLOTS, TODAY) == [0, 0, 2, 0]


def test_of_several_that_are_full_the_one_that_opens_last_is_told(store):
    store.acquire(Claim(TOKENS, 600), Claim(REQUESTS, 5), Claim(SLOTS, 2))
    refused = store.acquire(Claim(SLOTS, 1), Claim(TOKENS, 10), Claim(REQUESTS, 1))
    assert (refused.claim.bucket, refused.opens_in_s) == (REQUESTS, pytest.approx(12))
    assert store.acquire(Claim(REQUESTS, 1), Claim(TOKENS, 601)).opens_in_s == math.inf


def test_a_lease_tells_what_is_used_now(store):
    store.acquire(Claim(TOKENS, 100), Claim(TODAY, 0.5))
    assert store.acquire(Claim(TOKENS, 50), Claim(TODAY, 0.25)).used == [150, 0.75]


def test_what_was_not_used_is_given_back(store):
    lease = store.acquire(Claim(TOKENS, 500), Claim(TODAY, 0.8), Claim(ROLLING, 50), Claim(REQUESTS, 1))
    store.settle(lease, 100, 0.1, 5, 1)
    assert store.used(TOKENS, TODAY, ROLLING, REQUESTS) == [100, pytest.approx(0.1), 5, 1]


def test_what_was_used_beyond_is_charged_above_the_cap_too(store):
    lease = store.acquire(Claim(TOKENS, 500), Claim(TODAY, 0.8), Claim(ROLLING, 50))
    store.settle(lease, 900, 1.5, 150)
    assert store.used(TOKENS, TODAY, ROLLING) == [900, 1.5, 150]
    assert store.acquire(Claim(TOKENS, 100)).opens_in_s == pytest.approx(40)


def test_settling_twice_is_settling_once(store):
    lease = store.acquire(Claim(TOKENS, 500), Claim(SLOTS, 1), Claim(TODAY, 0.8))
    store.acquire(Claim(SLOTS, 1))
    for _ in range(3):
        store.settle(lease, 100, 1, 0.3)
    assert store.used(TOKENS, SLOTS, TODAY) == [100, 1, pytest.approx(0.3)]


def test_a_rate_never_holds_more_than_its_capacity(store):
    """Given back after it has filled by itself, it is full, not fuller."""
    lease = store.acquire(Claim(TOKENS, 600))
    store.after(3600).settle(lease, 0)
    assert type(store.acquire(Claim(TOKENS, 600))) is Lease
    assert type(store.acquire(Claim(TOKENS, 1))) is Refused


def test_what_came_back_of_a_rolling_sum_belongs_to_the_moment_when_it_was_taken(store):
    lease = store.acquire(Claim(ROLLING, 80))
    store.after(1800).settle(lease, 20)
    assert store.used(ROLLING) == [20]
    assert store.after(1900).used(ROLLING) == [0]


def test_asked_anyway_it_is_taken_above_the_cap(store):
    assert type(store.acquire(Claim(TOKENS, 700), Claim(SLOTS, 3), anyway=True)) is Lease
    assert store.used(TOKENS, SLOTS) == [700, 3]


def test_some_may_have_to_leave_something_for_others(store):
    """A low priority takes only what is above; what the whole bucket has room for is never impossible."""
    low = Claim(TOKENS, 100, leaves=150)
    assert [type(store.acquire(low)) for _ in range(5)] == [Lease] * 4 + [Refused]
    assert store.acquire(low).opens_in_s == pytest.approx(5)
    assert type(store.acquire(Claim(TOKENS, 100))) is Lease
    large = Claim(TOKENS._replace(key="other"), 550, leaves=150)
    assert type(store.acquire(large)) is Lease


def test_a_provider_that_says_less_is_believed_and_more_is_not(store):
    store.acquire(Claim(TOKENS, 100))
    store.correct(Told(TOKENS, 550))
    assert store.used(TOKENS) == [100]
    store.correct(Told(TOKENS, 200))
    assert store.used(TOKENS) == [400]
    store.correct(Told(TOKENS, 100, age_s=10.0), Told(REQUESTS, 0))
    assert store.used(TOKENS, REQUESTS) == [400, 5]
    store.correct(Told(TOKENS, -50))
    assert store.acquire(Claim(TOKENS, 50)).opens_in_s == pytest.approx(10)


def test_two_stores_of_one_place_count_together(make, request):
    if "memory" in request.node.name:
        pytest.skip("memory is each store's own")
    one, other = make(), make()
    lease = one.acquire(Claim(TOKENS, 600), Claim(SLOTS, 2))
    assert type(other.acquire(Claim(TOKENS, 1))) is Refused
    one.settle(lease, 100, 2)
    assert other.used(TOKENS, SLOTS) == [100, 0]


@pytest.mark.parametrize("kept", [0.0, 0.3])
def test_what_a_dead_process_held_is_given_back(make, request, kept):
    """Slots, and sums but for what is kept; a rate heals by itself. What comes to light after that is charged."""
    if "memory" in request.node.name:
        pytest.skip("memory ends with its process")
    one, other = make(), make()
    lease = one.acquire(Claim(TODAY, 0.9, kept=kept), Claim(SLOTS, 2), Claim(ROLLING, 50), Claim(TOKENS, 600), ttl_s=30)
    assert other.after(29).used(TODAY, SLOTS, ROLLING) == [0.9, 2, 50]
    assert other.after(2).used(TODAY, SLOTS, ROLLING, TOKENS) == [pytest.approx(kept), 0, 0, 290]
    assert type(other.acquire(Claim(SLOTS, 2))) is Lease
    one.settle(lease, 0.5, 2, 20, 600)
    assert other.used(TODAY, SLOTS, ROLLING, TOKENS) == [pytest.approx(0.5), 2, 20, 290]


@pytest.mark.parametrize("seed", range(3))
def test_a_thousand_random_steps_end_where_a_plain_count_does(store, seed):
    """Whatever is taken, settled in whatever order: what is used is the sum of what was used."""
    chance = random.Random(seed)
    open_: list[tuple[Lease, float]] = []
    day = slots = 0.0
    for _ in range(200 if "redis" in type(store.state).__module__ else 1000):
        if open_ and chance.random() < 0.5:
            lease, amount = open_.pop(chance.randrange(len(open_)))
            actual = chance.choice([0.0, amount, amount / 2, amount * 1.5])
            day += actual - amount
            slots -= 1
            store.settle(lease, actual, 1)
        else:
            amount = chance.randrange(1, 50) / 100
            got = store.acquire(Claim(TODAY._replace(capacity=40.0), amount), Claim(SLOTS._replace(capacity=30), 1))
            if type(got) is Lease:
                open_.append((got, amount))
                day, slots = day + amount, slots + 1
            else:
                assert day + amount > 40 or slots + 1 > 30
    assert store.used(TODAY, SLOTS) == [pytest.approx(day, abs=1e-6), slots]
