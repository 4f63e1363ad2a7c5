"""A server that goes away: noticed fast, not asked again at once, and used again when it is back."""

from __future__ import annotations

import asyncio
import time

import pytest

from otelllm.errors import BadConfig
from otelllm.state.opening import check_url, open_state
from otelllm.state.redis import Redis, _split
from otelllm.state.redis_client import shown
from otelllm.state.spec import Bucket, Claim, Lease, StateAway
from otelllm.steps import adrive, drive

TOKENS = Claim(Bucket("tokens", "rate", 1000, per_s=1e-9), 1)


@pytest.mark.slow
def test_sync_and_async_count_together_in_one_round_trip_each(redis_url):
    import redis

    state = Redis(redis_url, "app")
    with redis.Redis.from_url(redis_url) as client:
        drive(state.acquire([TOKENS], 60), None)  # the script is known from now on
        before = client.info("commandstats")["cmdstat_evalsha"]["calls"]
        asyncio.run(adrive(state.acquire([TOKENS, Claim(Bucket("s", "slots", 2), 1)], 60), None))
        lease = drive(state.acquire([TOKENS], 60), None)
        assert client.info("commandstats")["cmdstat_evalsha"]["calls"] - before == 2
        assert lease.used == [pytest.approx(3)]
        assert {key.split(b"}")[0] for key in client.scan_iter()} == {b"{otelllm:app"}
    state.close()


@pytest.mark.slow
def test_services_count_apart_unless_they_name_one_namespace(redis_url):
    one, other = Redis(redis_url, "one"), Redis(redis_url, "other")
    drive(one.acquire([TOKENS], 60), None)
    assert drive(other.read([TOKENS.bucket]), None) == [0]
    shared = [Redis(redis_url + "?namespace=team", name) for name in ("one", "other")]
    drive(shared[0].acquire([TOKENS], 60), None)
    assert drive(shared[1].read([TOKENS.bucket]), None) == [pytest.approx(1)]
    for state in (one, other, *shared):
        state.close()


@pytest.mark.slow
def test_a_server_that_hangs_or_is_gone_costs_a_quarter_of_a_second_once(tmp_path, redis_server, caplog):
    """Then nothing for a second; a server that is back is used again, and connections of before are no outage."""
    import redis

    state = Redis(redis_server, "away")
    drive(state.acquire([TOKENS], 60), None)
    with redis.Redis.from_url(redis_server) as client:
        client.client_pause(400)
        begun = time.monotonic()
        for _ in range(50):
            with pytest.raises(StateAway, match="can't be used: TimeoutError"):
                drive(state.acquire([TOKENS], 60), None)
        assert time.monotonic() - begun < 0.9
        client.client_kill_filter(skipme=True)
    state._outage._until = 0.0
    while type(drive(state.acquire([TOKENS], 60), None)) is not Lease:
        pass
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    state.close()
    gone = Redis(f"unix://{tmp_path}/nobody", "away")
    with pytest.raises(StateAway, match="see that it runs and can be reached"):
        drive(gone.acquire([TOKENS], 60), None)
    gone.close()


def test_a_password_is_in_no_error():
    assert shown("redis://app:secret@db:6379/0?password=secret") == "redis://db:6379/0"


def test_the_namespace_is_ours_and_the_rest_is_the_clients():
    assert _split("valkeys://h:1/0?namespace=team&ssl_cert_reqs=none") == ("rediss://h:1/0?ssl_cert_reqs=none", "team")


def test_a_url_that_names_no_store_is_refused():
    with pytest.raises(BadConfig, match="'mysql://x' is no store; write"):
        check_url("mysql://x")
    with pytest.raises(BadConfig, match="is no store"):
        open_state("postgres:", "app")
