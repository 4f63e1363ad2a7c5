"""Waiting for room, by a clock of its own: what is used of a provider's limits, who goes first, who has to leave."""

from __future__ import annotations

import os
import random
import threading

import pytest

from otelllm.enforce.queue import QueueRules, read
from otelllm.errors import BadConfig
from otelllm.policy import from_mapping
from otelllm.steps import Wait

from .simulated import App, Bucket, Provider, Seen, World, admission

RPM, INPUT, OUTPUT = 100, 60_000, 12_000
LIMIT = {
    "scope": "model:*", "requests_per_minute": RPM, "input_tokens_per_minute": INPUT,
    "output_tokens_per_minute": OUTPUT, "max_wait": "60s",
}  # fmt: skip


def world(seed: int = 1, queue: QueueRules | None = None, **rule) -> App:
    it = World()
    chance = random.Random(seed)
    provider = Provider(Bucket(RPM), Bucket(INPUT), Bucket(OUTPUT))
    return App(it, provider, admission(it, [{**LIMIT, **rule}], queue), chance, lambda: chance.uniform(0.02, 0.3))


def calls(app: App, priority: str, load: float, minutes: float, seed: int, *, limit: int | None = None) -> None:
    """Comes at random; answers of 200 tokens on average, few of them five times as long."""
    chance = random.Random(seed)
    at = 0.0
    while (at := at + chance.expovariate(load * OUTPUT / 200 / 60)) < minutes * 60:
        answer = min(int(chance.expovariate(1 / 200)) + 1, limit or 1000)
        app.world.start(at, app.life(priority, chance.randrange(200, 2000), answer, limit, answer / 80))


def p95(seen: list[Seen]) -> float:
    waits = sorted(one.waited for one in seen if one.waited is not None)
    return waits[int(len(waits) * 0.95)]


@pytest.mark.parametrize("estimate", ["normal", "strict"])
def test_ten_minutes_of_three_times_too_much(estimate):
    """A provider that enforces its own limits refuses nothing, and what it allows is used."""
    app = world(estimate=estimate)
    calls(app, "default", load=3.0, minutes=10, seed=2, limit=1000 if estimate == "strict" else None)
    app.world.run(600)
    assert app.provider.refused == 0
    assert app.provider.output.taken >= 0.95 * OUTPUT * 10
    assert app.provider.output.taken <= OUTPUT * 11


def test_without_the_providers_headers_it_holds_too():
    """But for what the way there takes: the provider's bucket begins to refill that much later than ours."""
    app = world(follow_headers=False)
    calls(app, "default", load=3.0, minutes=10, seed=2)
    app.world.run(600)
    assert app.provider.refused <= 2
    assert app.provider.output.taken >= 0.95 * OUTPUT * 10


@pytest.mark.slow
def test_another_user_of_the_same_limits_is_made_room_for():
    """Somebody takes half of the provider's limits meanwhile: its headers say so."""

    def run(*, follows: bool) -> Provider:
        app = world(follow_headers=follows)
        calls(app, "default", load=2.0, minutes=10, seed=3)

        def other():
            while True:
                app.provider.output.left(app.world.now)
                app.provider.output.take(OUTPUT / 2 / 60)
                yield Wait(1.0)

        app.world.start(0.0, other())
        app.world.run(600)
        return app.provider

    following, blind = run(follows=True), run(follows=False)
    assert following.refused <= 0.3 * blind.refused
    assert following.output.taken >= 0.95 * OUTPUT * 10


@pytest.mark.slow
@pytest.mark.parametrize("load", [0.3, 0.6, 0.9])
def test_interactive_calls_wait_no_longer_for_batch_that_saturates(load):
    def run(*, batch: bool) -> App:
        app = world()
        calls(app, "interactive", load, minutes=20, seed=4)
        if batch:
            calls(app, "batch", load=2.0, minutes=20, seed=5)
        app.world.run(1200)
        return app

    idle, busy = run(batch=False), run(batch=True)
    waits = [p95([one for one in app.seen if one.priority == "interactive"]) for app in (idle, busy)]
    assert waits[1] <= 1.2 * waits[0]
    assert busy.provider.refused == 0
    used = {of: sum(one.tokens for one in busy.seen if one.priority == of) for of in ("interactive", "batch")}
    assert used["batch"] >= 0.05 * sum(used.values())


def bursts(*, batch: bool, size: int, every_s: float) -> App:
    """Interactive calls that come all at once; what answers take is known by then. Nobody is refused: a comparison of
    waits would be one of those who are left.
    """
    app = world(max_wait="10m")
    chance = random.Random(4)

    def come(at: float) -> None:
        answer = min(int(chance.expovariate(1 / 200)) + 1, 1000)
        app.world.start(at, app.life("interactive", chance.randrange(200, 2000), answer, None, answer / 80))

    for number in range(40):
        come(number * 1.5)
    for burst in range(int(1080 / every_s)):
        for _ in range(size):
            come(120 + burst * every_s + chance.random() / 2)
    if batch:
        calls(app, "batch", load=2.0, minutes=20, seed=5)
    app.world.run(1200)
    return app


def waits_of_bursts(size: int, every_s: float) -> tuple[float, float, App]:
    """p95 on an idle system, and beside batch that saturates."""
    idle, busy = (bursts(batch=batch, size=size, every_s=every_s) for batch in (False, True))
    assert not [one for app in (idle, busy) for one in app.seen if one.priority == "interactive" and one.refused]
    idle_s, busy_s = (
        p95([one for one in app.seen if one.priority == "interactive" and one.came >= 120]) for app in (idle, busy)
    )
    return idle_s, busy_s, busy


@pytest.mark.slow
@pytest.mark.parametrize(("size", "every_s"), [(10, 60), (20, 60), (30, 90), (40, 120), (60, 240)])
def test_a_burst_that_the_bucket_has_room_for_waits_no_longer_for_batch_that_saturates(size, every_s):
    """Than the same burst does on an idle system; and nothing of the limit stays unused for it. 60 such answers are
    what the full bucket holds.
    """
    idle_s, busy_s, busy = waits_of_bursts(size, every_s)
    assert busy_s <= 1.2 * idle_s
    assert busy.provider.refused == 0
    assert busy.provider.output.taken >= 0.98 * OUTPUT * 20
    used = {of: sum(one.tokens for one in busy.seen if one.priority == of) for of in ("interactive", "batch")}
    assert used["batch"] >= 0.05 * sum(used.values())


@pytest.mark.slow
def test_a_burst_beyond_the_bucket_waits_longer_by_what_batch_keeps_and_no_more():
    """It waits for refilling, on an idle system too; beside batch also for what three of its calls had taken when it
    came (0.15 of the bucket), and then for batch's least share of what comes back (1/19 of the rest). No order of
    waiting can do away with these: 1.2 times an idle system's wait is beyond reach here.
    """
    idle_s, busy_s, _ = waits_of_bursts(80, 240)
    assert idle_s > 20
    assert busy_s <= (idle_s + 0.15 * 60) * 20 / 19


@pytest.mark.slow
def test_batch_keeps_its_share_where_interactive_calls_saturate():
    app = world()
    calls(app, "interactive", load=3.0, minutes=20, seed=6)
    calls(app, "batch", load=3.0, minutes=20, seed=7)
    app.world.run(1200)
    of_batch = sum(one.tokens for one in app.seen if one.priority == "batch")
    assert 0.05 <= of_batch / sum(one.tokens for one in app.seen) <= 0.12


def small(**rule) -> App:
    """A limit of six requests a minute, used up: one comes back every 10 seconds."""
    it = World()
    chance = random.Random(1)
    rules = [{"scope": "all", "requests_per_minute": 6, "max_wait": "60s", "follow_headers": False, **rule}]
    provider = Provider(Bucket(1e9), Bucket(1e9), Bucket(1e9))
    app = App(it, provider, admission(it, rules), chance, lambda: 0.0)
    for _ in range(6):
        it.start(0.0, app.life("default", 10, 1, 1, 0.1))
    it.run(0.5)
    app.seen.clear()
    return app


def test_who_came_first_goes_first_within_a_priority():
    app = small(max_wait="5m")
    for at, priority in enumerate(("batch", "default", "interactive", "default", "interactive")):
        app.world.start(1.0 + at / 10, app.life(priority, 10, 1, 1, 0.1))
    app.world.run(200)
    order = sorted((one for one in app.seen if one.waited is not None), key=lambda one: one.came + (one.waited or 0))
    assert [(one.priority, round(one.came, 1)) for one in order] == [
        ("interactive", 1.2), ("interactive", 1.4), ("default", 1.1), ("default", 1.3), ("batch", 1.0),
    ]  # fmt: skip


def test_a_newcomer_does_not_take_what_others_wait_for():
    app = small()
    app.world.start(1.0, app.life("default", 10, 1, 1, 0.1))
    app.world.start(10.0, app.life("default", 10, 1, 1, 0.1))  # in the very moment when there is room for one
    app.world.run(30)
    assert [round(one.waited) for one in app.seen if one.waited is not None] == [9, 10]


def test_who_would_wait_too_long_is_refused_when_it_comes():
    app = small(max_wait="25s")
    for at in range(5):
        app.world.start(1.0 + at / 100, app.life("default", 10, 1, 1, 0.1))
    app.world.run(1.5)
    refused = [one.refused for one in app.seen if one.refused is not None]
    assert [round(refusal.opens_in_s or 0) for refusal in refused] == [29, 29, 29]
    assert "the wait would be 29.0 s, longer than 25 s" in str(refused[0])


def test_a_cancelled_caller_frees_its_place():
    app = small(max_wait="25s")
    waiting = [app.life("default", 10, 1, 1, 0.1) for _ in range(2)]
    for life in waiting:
        app.world.start(1.0, life)
    app.world.run(2.0)
    app.world.stop(waiting[0])
    app.world.start(2.5, app.life("default", 10, 1, 1, 0.1))
    app.world.run(60)
    assert [one.refused for one in app.seen] == [None] * 3
    assert [round(one.came + one.waited) for one in app.seen if one.waited is not None] == [10, 20]


def test_a_slot_that_is_given_back_goes_to_the_next_at_once():
    it = World()
    chance = random.Random(1)
    provider = Provider(Bucket(1e9), Bucket(1e9), Bucket(1e9))
    app = App(it, provider, admission(it, [{"scope": "all", "concurrent": 1}]), chance, lambda: 0.0)
    for at in range(3):
        it.start(at / 10, app.life("default", 10, 1, 1, 2.0))
    it.run(10)
    assert [one.waited for one in app.seen] == pytest.approx([0.0, 1.9, 3.8], abs=0.01)


def test_a_wait_that_was_reckoned_too_long_is_learned():
    """Half of what is reserved comes back: waits turn out shorter than they looked, and later ones are reckoned so."""
    app = world(max_wait="20s")
    calls(app, "default", load=3.0, minutes=10, seed=2)
    app.world.run(600)
    late = [one.waited for one in app.seen if one.waited is not None and one.came > 300]
    assert max(late) <= 20.5
    assert sorted(late)[len(late) // 2] > 10  # the time that an app gives is used


def test_how_long_slots_are_kept_is_learned_for_those_who_come_later():
    """Two slots that calls keep for 5 s: the tenth that waits will wait for 25 s, the next for longer."""
    it = World()
    chance = random.Random(1)
    provider = Provider(Bucket(1e9), Bucket(1e9), Bucket(1e9))
    rules = [{"scope": "all", "concurrent": 2, "max_wait": "26s"}]
    app = App(it, provider, admission(it, rules), chance, lambda: 0.0)
    it.start(0.0, app.life("default", 10, 1, 1, 5.0))
    it.run(6.0)
    app.seen.clear()
    for at in range(14):
        it.start(6.0 + at / 100, app.life("default", 10, 1, 1, 5.0))
    it.run(7.0)
    assert [one.refused is not None for one in app.seen] == [False] * 12 + [True] * 2
    assert "the wait would be 2" in str(app.seen[-1].refused)
    it.run(60.0)
    assert sum(one.waited is not None for one in app.seen) >= 10


@pytest.mark.parametrize(
    "cap", [{"requests_per_minute": 20}, {"output_tokens_per_minute": 5000, "concurrent": 8, "estimate": "strict"}]
)
def test_shadow_decides_call_by_call_as_enforcement_would(cap):
    """Of the same calls; what it lets pass and enforcement would not takes nothing of its buckets."""

    def refused(mode: str) -> list[bool]:
        it = World()
        provider = Provider(Bucket(1e9), Bucket(1e9), Bucket(1e9))
        rule = {"scope": "all", "when_full": "reject", "mode": mode, **cap}
        app = App(it, provider, admission(it, [rule]), random.Random(1), lambda: 0.1)
        calls(app, "default", load=1.0, minutes=5, seed=9, limit=1000)
        it.run(300)
        return [
            one.refused is not None or any(done.outcome == "would_block" for done in one.call.decisions)
            for one in app.seen
        ]

    shadow, enforced = refused("shadow"), refused("enforce")
    assert shadow == enforced
    assert 0 < sum(enforced) < len(enforced)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_in_a_forked_child_nobody_waits():
    """Whoever stood in line is in the parent; one of its threads may have held the lock."""
    app = small()
    app.world.start(1.0, app.life("default", 10, 1, 1, 0.1))
    app.world.run(2.0)
    queue = app.admission._queue
    assert queue.line_before({"limits 1|all||requests_per_minute": 1}, 1) is not None
    is_held, is_over = threading.Event(), threading.Event()

    def hold() -> None:
        with queue._lock:
            is_held.set()
            is_over.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    is_held.wait()
    child = os.fork()
    if child == 0:
        try:
            app.world.start(2.0, app.life("default", 10, 1, 1, 0.1))
            app.world.run(5.0)
            os._exit(0 if app.seen[-1].waited == 0.0 else 3)
        except BaseException:
            os._exit(4)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    is_over.set()
    holder.join()
    assert code == 0


@pytest.mark.parametrize(
    ("section", "complaint"),
    [
        ({"priorities": ["a", "a"]}, r"queue.priorities = \['a', 'a'\] names one twice"),
        ({"least_share": {"bach": 0.1}}, "queue.least_share.bach is not a key; did you mean 'batch'"),
        ({"least_share": {"batch": 0.6}}, "gives away more than half"),
    ],
)
def test_a_queue_that_cannot_be_is_refused(section, complaint):
    with pytest.raises(BadConfig, match=complaint):
        from_mapping({"queue": section})


def test_priorities_are_the_policys_own():
    rules = read({"priorities": ["gold", "silver", "bronze"], "least_share": {"bronze": "10%"}})
    assert [rules.rank(name) for name in ("gold", "silver", "bronze", None, "unheard of")] == [0, 1, 2, 1, 1]
    assert [rules.share(rank) for rank in range(3)] == [0.0, 0.05, 0.1]
