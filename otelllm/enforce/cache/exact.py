"""The exact cache: the same request, asked again on behalf of the same, gets the same answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from time import time

from ... import semconv
from ...attempt import Target
from ...call import CacheOutcome, Call, Decision
from ...recorded import Recorded, Revived, unpacked
from ...safely import safely, swallow
from ...stages import Asked
from ...steps import Steps
from .answers import does_more
from .flights import Flight
from .kept import Kept
from .key import Uncacheable, request_key
from .rule import CacheRule, scope_of
from .store import Away, Found
from .tape import Tape, span_id

__all__ = ["ExactCache", "pool_of", "tags_of"]

STAGE = "cache"
# What answers to its request and to nothing else.
_LIKE_A_FUNCTION = frozenset({semconv.EMBEDDINGS, semconv.RERANK, semconv.MODERATION})
_OPERATIONS = _LIKE_A_FUNCTION | {semconv.CHAT, semconv.GENERATE_CONTENT, semconv.TEXT_COMPLETION}


class ExactCache:
    """A `LookUp` of the flow. `rules` is the fingerprint of those rules of the policy that change answers; `pools` the
    one of all keys of a pool, by each one's name: which of them a call takes changes no answer.
    """

    def __init__(self, rule: CacheRule, kept: Kept, rules: str = "", pools: Mapping[str, str] | None = None) -> None:
        self.rule = rule
        self._pools = pools or {}
        self._kept = kept
        self._rules = rules
        self._words = ", ".join(rule.scope)

    def __call__(self, call: Call, asked: Asked, target: Target) -> Steps[Revived | None]:
        """The stored answer; where there is none, the call's own is recorded, and others that ask the same wait."""
        try:
            return (yield from self._answer(call, asked, target))
        except Exception as error:  # a fault of ours costs the app an answer from the cache, and nothing else
            if not swallow("asking the cache", error):
                raise
            return None

    def _answer(self, call: Call, asked: Asked, target: Target) -> Steps[Revived | None]:
        rule = self.rule
        if call.operation not in _OPERATIONS or call.scope.cache is False or not rule.match.applies(call):
            return None
        if rule.only_when_deterministic and not call.scope.cache and not _is_deterministic(call):
            call.cache = CacheOutcome("skipped")
            return None
        try:
            key = self._key(call, asked, target)
        except Uncacheable as reason:
            self._skip(call, str(reason))
            return None
        if isinstance(call.tape, Tape):
            if call.tape.key == key:
                return None  # the same once more, after an attempt that failed
            call.tape.let_go()
        call.cache = CacheOutcome("miss", key=key[:8].hex())
        tags = tags_of(call.scope.depends_on)
        try:
            if rule.mode == "enforce":
                return (yield from self._look_up(call, asked, key, tags))
            found = yield from self._kept.look_up(key, tags)
        except Away as away:
            self._skip(call, str(away))
            return None
        recorded = unpacked(found.record) if found.record is not None else None
        if recorded is not None:
            self._say(call, "would_hit", f"stored by span {recorded.span}")
        else:
            self._record(call, asked, key, tags, found, None)
        return None

    def _look_up(self, call: Call, asked: Asked, key: bytes, tags: Sequence[str]) -> Steps[Revived | None]:
        """In the cache; and while another call is asking just this, once more when that one has its answer."""
        flights, is_async = self._kept.flights, asked.method.asynchronous
        while True:
            seen = flights.landings
            found: Found = yield from self._kept.look_up(key, tags)
            if (revived := self._revived(call, asked, found)) is not None:
                return revived
            flight, leads = flights.board(key, is_async)
            if leads:
                break
            has_landed = yield from flights.wait(flight)
            if not has_landed or flight.leaves_alone:
                self._record(call, asked, key, tags, found, None)
                return None
        try:
            if seen != flights.landings:  # between our look and our boarding: what landed may have been just this
                found = yield from self._kept.look_up(key, tags)
                if (revived := self._revived(call, asked, found)) is not None:
                    flights.land(key, is_async, flight, alone=False)
                    return revived
            self._record(call, asked, key, tags, found, flight)
        except BaseException:
            flights.land(key, is_async, flight, alone=False)
            raise
        return None

    def _key(self, call: Call, asked: Asked, target: Target) -> bytes:
        provider, surface, instance, kwargs, method = asked
        if not hasattr(provider, "identity") or (call.request.stream and not provider.records_streams):
            raise Uncacheable(f"answers of the {provider.package} SDK can't be given again")
        lasting = "the request" if getattr(surface, "leaves_state", False) else does_more(kwargs)
        if lasting is not None:
            raise Uncacheable(f"{lasting} leaves something behind that a stored answer would not")
        scope = [[name, scope_of(call, name)] for name in self.rule.scope]
        for name, value in scope:
            if value is None:
                raise Uncacheable(f"the call has no {name}, by which answers are kept apart")
        who = provider.identity(instance)
        if target.key is not None:
            who = self._pools.get(target.key.name) or pool_of([target.key.secret])
        if who is None:
            raise Uncacheable("with whose credentials the client asks can't be told")
        if target.model is not None:
            kwargs = {**kwargs, "model": target.model}
        said = call.scope
        head = [
            provider.package, method.target.replace("Async", ""), who, target.base_url, target.max_tokens,
            call.request.asks_usage, scope, said.prompt_name, said.prompt_version, sorted(said.depends_on),
            self._rules,
        ]  # fmt: skip
        return request_key(kwargs, head, left_out=getattr(surface, "left_out", frozenset()))

    def _revived(self, call: Call, asked: Asked, found: Found) -> Revived | None:
        """What was found, in the SDK's own terms; None where nothing was, or nothing that can be made any more."""
        recorded = unpacked(found.record) if found.record is not None else None
        if recorded is None:
            return None
        with safely("giving an answer again"):
            revived = asked.provider.revive(asked.instance, asked.surface, asked.kwargs, recorded)
            if revived is not None:
                self._hit(call, recorded)
            return revived
        return None

    def _hit(self, call: Call, recorded: Recorded) -> None:
        age_s = max(0.0, time() - recorded.at)
        known = call.cache.key if call.cache is not None else None
        call.cache = CacheOutcome("hit", age_s=age_s, saved_usd=recorded.usd, saved_s=recorded.seconds, key=known)
        self._say(call, "hit", f"stored by span {recorded.span}" if recorded.span else "")
        if recorded.span and (span := span_id(call)):
            self._kept.noted(span, recorded.span)

    def _record(
        self, call: Call, asked: Asked, key: bytes, tags: Sequence[str], found: Found, flight: Flight | None
    ) -> None:
        tape = Tape(self._kept, asked, key, tags, found, self.rule.ttl_s, flight)
        call.tape = tape
        call.on_end.append(tape.ended)

    def _skip(self, call: Call, reason: str) -> None:
        call.cache = CacheOutcome("skipped")
        self._say(call, "skip", reason)

    def _say(self, call: Call, outcome: str, reason: str) -> None:
        call.decisions.append(Decision(STAGE, self.rule.name, self.rule.mode, outcome, self._words, reason))


def _is_deterministic(call: Call) -> bool:
    return call.operation in _LIKE_A_FUNCTION or call.request.attributes.get(semconv.REQUEST_TEMPERATURE) == 0


def pool_of(secrets: Iterable[str]) -> str:
    """One fingerprint of the keys of a pool."""
    return sha256("\n".join(sorted(secrets)).encode("utf-8", "replace")).hexdigest()


def tags_of(depends_on: Sequence[str]) -> tuple[str, ...]:
    """By what an answer can be made to go: "kb:42@v7", and "kb:42" in whatever version."""
    if not depends_on:
        return ()
    names = {*depends_on, *(one.rpartition("@")[0] for one in depends_on)} - {""}
    return tuple(sorted(names))
