"""Counters in Redis or Valkey, shared by all hosts: one round trip a call, by a script that runs there at once."""

from __future__ import annotations

import hashlib
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib.resources import files
from os import getpid
from random import getrandbits
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import orjson

from ..steps import Steps
from .away import Outage
from .keeper import Keeper
from .redis_client import redis_client, shown
from .spec import Bucket, Claim, Lease, Refused, StateAway, Told
from .threads import aside

__all__ = ["Redis"]

ENDLESS = 1e300
"""JSON has no infinity."""
AT_ONCE = 64
"""Leases settled by one script: the server does nothing else meanwhile."""

Job = tuple[str, list[dict[str, Any]]]
Clock = Callable[[], tuple[float, float]]
"""Gives (monotonic, wall): tests stand in for the server's clock."""


class Redis:
    """A store of counters on a server. All keys have one hash tag: on a cluster they are in one place."""

    def __init__(self, url: str, service: str, *, clock: Clock | None = None) -> None:
        """`url` as redis-py takes it; with `?namespace=NAME`, services of different names count together."""
        self._url, namespace = _split(url)
        self._prefix = "{otelllm:" + (namespace or service) + "}:"
        self._clock = clock
        self._script = (files(__package__) / "redis.lua").read_text(encoding="utf-8")
        self._hash = hashlib.sha1(self._script.encode(), usedforsecurity=False).hexdigest()
        self._outage = Outage(shown(self._url))
        self._keeper = Keeper(self._renew, lambda: None)
        self._begin()

    def _begin(self) -> None:
        self._pid = getpid()
        self._jobs: deque[Job] = deque()
        self._client = redis_client(self._url, "state.url")

    def acquire(self, claims: Sequence[Claim], ttl_s: float, *, anyway: bool = False) -> Steps[Lease | Refused]:
        """See `State`."""
        claims = tuple(claims)
        lease = getrandbits(52)
        asked = {"what": "acquire", "ttl_s": ttl_s, "anyway": anyway, "lease": str(lease)}
        buckets = [claim.bucket for claim in claims]

        def work() -> Lease | Refused:
            told = self._ask(asked, buckets, [_claim(claim) for claim in claims])
            if (number := told.get("refused")) is None:
                return Lease(lease, claims, told["used"], float(told["at"]), ttl_s)
            opens_in_s = told["opens_in_s"]
            return Refused(claims[number - 1], told["used"], _seconds(opens_in_s))

        self._check()
        outcome = yield from aside(work, self._drop)
        if type(outcome) is Lease and any(bucket.kind != "rate" for bucket in buckets):
            self._keeper.hold(outcome)
        return outcome

    def settle(self, lease: Lease, actual: Sequence[float]) -> None:
        """See `State`."""
        if lease.is_settled:
            return
        lease.is_settled = True
        self._keeper.let_go(lease)
        self._later("settle", [
            _claim(claim, lease) | {"actual": amount} for claim, amount in zip(lease.claims, actual, strict=True)
            if claim.bucket.kind != "rate" or amount != claim.amount
        ])  # fmt: skip

    def correct(self, told: Sequence[Told]) -> None:
        """See `State`."""
        self._later("correct", [
            {"bucket": _bucket(one.bucket), "left": one.left, "age_s": one.age_s, "key": one.bucket.key} for one in told
        ])  # fmt: skip

    def read(self, buckets: Sequence[Bucket]) -> Steps[list[float]]:
        """See `State`."""
        buckets = list(buckets)
        self._check()
        used: list[float] = yield from aside(
            lambda: self._ask({"what": "read"}, buckets, [{"bucket": _bucket(one)} for one in buckets])["used"],
            lambda _: None,
        )
        return used

    def flush(self, timeout_s: float) -> bool:
        """See `State`."""
        return self._keeper.flush(timeout_s)

    def close(self) -> None:
        """See `State`."""
        self._keeper.close()
        self._client.close()

    def _check(self) -> None:
        if self._pid != getpid():
            self._begin()  # a forked child has connections of its own, and settles nothing of its parent's
        self._outage.check()

    def _drop(self, outcome: Lease | Refused) -> None:
        if type(outcome) is Lease:
            self.settle(outcome, [0.0] * len(outcome.claims))

    def _later(self, what: str, claims: list[dict[str, Any]]) -> None:
        if claims:
            if self._pid != getpid():
                self._begin()
            self._jobs.append((what, claims))
            self._keeper.later(self._work)

    def _work(self) -> None:
        """Send what is to be settled, several leases in one round trip."""
        waiting: dict[str, list[dict[str, Any]]] = {"settle": [], "correct": []}
        while self._jobs and sum(map(len, waiting.values())) < AT_ONCE:
            what, claims = self._jobs.popleft()
            waiting[what] += claims
        for what, claims in waiting.items():
            if claims:
                keys = [claim["key"] for claim in claims]
                with suppress(StateAway):  # leases end by themselves, and rates fill
                    self._outage.check()
                    self._asked({"what": what}, keys, claims)

    def _renew(self, leases: Sequence[Lease]) -> None:
        claims = [
            _claim(claim, lease) | {"ttl_s": lease.ttl_s}
            for lease in leases for claim in lease.claims if claim.bucket.kind != "rate"
        ]  # fmt: skip
        with suppress(StateAway):  # there are two more tries before they end
            self._asked({"what": "renew"}, [claim["key"] for claim in claims], claims)

    def _ask(self, asked: Mapping[str, Any], buckets: Sequence[Bucket], claims: list[dict[str, Any]]) -> Any:
        return self._asked(asked, [bucket.key for bucket in buckets], claims)

    def _asked(self, asked: Mapping[str, Any], keys: Sequence[str], claims: list[dict[str, Any]]) -> Any:
        """One run of the script; `StateAway` where that can't be."""
        from redis import exceptions  # noqa: PLC0415  it is there: the client came from it

        body: dict[str, Any] = {**asked, "claims": claims}
        if self._clock is not None:
            body["now"], body["wall"] = self._clock()
        names = [name for key in keys for name in (f"{self._prefix}{key}", f"{self._prefix}{key}|holds")]
        argument = orjson.dumps(body)
        try:
            try:
                answer = self._client.evalsha(self._hash, len(names), *names, argument)
            except exceptions.NoScriptError:
                answer = self._client.eval(self._script, len(names), *names, argument)
        except (exceptions.RedisError, OSError) as error:
            is_lost = isinstance(error, exceptions.ConnectionError | exceptions.TimeoutError | OSError)
            way_out = "see that it runs and can be reached" if is_lost else "see to the server's settings"
            raise self._outage.began(f"{type(error).__name__}: {way_out}") from error
        self._outage.ended()
        return orjson.loads(answer)


def _split(url: str) -> tuple[str, str | None]:
    """The URL for the client, and the namespace that it names for us."""
    url = "redis" + url.removeprefix("valkey") if url.startswith("valkey") else url
    query = dict(parse_qsl(urlsplit(url).query))
    namespace = query.pop("namespace", None)
    plain, _, _ = url.partition("?")
    return plain + (f"?{urlencode(query)}" if query else ""), namespace


def _seconds(told: float | bool | None) -> float | None:
    if told is None or told is False:
        return None
    return math.inf if told == -1 else float(told)


def _bucket(bucket: Bucket) -> dict[str, Any]:
    made: dict[str, Any] = {
        "kind": bucket.kind, "capacity": min(bucket.capacity, ENDLESS), "per_s": bucket.per_s,
        "window_s": bucket.window_s,
    }  # fmt: skip
    if bucket.ends_at < math.inf:
        made["ends_at"] = bucket.ends_at
    return made


def _claim(claim: Claim, lease: Lease | None = None) -> dict[str, Any]:
    made = {
        "bucket": _bucket(claim.bucket), "key": claim.bucket.key, "amount": claim.amount, "leaves": claim.leaves,
        "kept": claim.kept, "back": claim.amount - claim.kept,
    }  # fmt: skip
    return made if lease is None else made | {"lease": str(lease.id), "at": lease.at}
