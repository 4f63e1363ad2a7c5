"""A policy in words: what each rule does, and which rules a given call would meet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from .attempt import AS_ASKED
from .call import Call
from .enforce.breaker import BreakerRules
from .enforce.counting import Counting
from .enforce.fallbacks import ON
from .enforce.keys import COOLDOWN_S
from .enforce.queue import QueueRules
from .enforce.retries import RetryRules
from .policy import Policy

if TYPE_CHECKING:
    from .enforce.fallbacks import Fallback
    from .enforce.keys import KeyRule
    from .enforce.kill_switch import KillRule
    from .enforce.outputs import Output
    from .enforce.routing import Route

__all__ = ["explain", "met"]

Rule = Mapping[str, Any]


def explain(policy: Policy) -> list[str]:
    """A sentence for each rule, in the order in which a call meets them."""
    said = policy.said
    return [line for section, words in _WORDS.items() if section in said for line in words(said[section])]


def met(policy: Policy, call: Call) -> list[str]:
    """The rules that speak of `call`, in the order in which it meets them, each with its mode and scope."""
    found: list[str] = []
    plain = (("kill", policy.kill), ("routes", policy.routes), ("outputs", policy.outputs))
    for section, rules in plain:
        found += [
            f"{section}: {rule.name!r} ({rule.mode}), meant for {rule.scope}"
            for rule in cast("tuple[KillRule | Route | Output, ...]", rules)
            if rule.mode != "off" and rule.applies(call)
        ]
    cache = policy.cache
    if cache is not None and cache.mode != "off" and cache.match.applies(call):
        found.append(f"cache: {cache.name!r} ({cache.mode}), answers kept apart by {', '.join(cache.scope)}")
    counting: tuple[Counting, ...] = (*policy.limits, *policy.budgets)
    for counted in counting:
        if counted.mode != "off" and counted.applies(call, AS_ASKED):
            scope = counted.scope(call, AS_ASKED)
            found.append(f"{counted.stage}: {counted.name!r} ({counted.mode}), counted for {scope}")
    pools = [rule for rule in policy.keys if rule.provider == call.provider]
    for section, steering in (("keys", pools), ("fallbacks", policy.fallbacks)):
        found += [
            f"{section}: {rule.name!r} ({rule.mode})"
            for rule in cast("Sequence[KeyRule | Fallback]", steering)
            if rule.mode != "off" and rule.applies(call)
        ]
    return found


def _head(rule: Rule, section: str, number: int) -> str:
    mode = rule.get("mode", "enforce")
    name = rule.get("name", f"{section} {number + 1}")
    return f"{section}: {name!r}" + ("" if mode == "enforce" else f" ({mode}: {_MODES[mode]})")


_MODES = {"off": "not asked", "shadow": "only recorded"}


def _when(rule: Rule) -> str:
    conditions = rule.get("when", {})
    if not conditions:
        return "all calls"
    flat = [(f"tag.{name}", one) for name, one in conditions.get("tag", {}).items()] if "tag" in conditions else []
    flat += [(key, one) for key, one in conditions.items() if key != "tag"]
    return "calls with " + ", ".join(f"{key} {_either(one)}" for key, one in flat)


def _either(value: Any) -> str:
    if isinstance(value, float) and 0 <= value <= 1:
        return f"{value:.0%} (sticky by user)"
    return " or ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _scope(rule: Rule) -> str:
    scope = rule.get("scope", "all")
    if isinstance(scope, list | tuple):
        return f"each combination of {', '.join(scope)}"
    if scope == "all":
        return "everybody together"
    return (
        f"each value of the tag {scope[4:]}"
        if scope.startswith("tag:")
        else (f"{scope} together" if ":" in scope else f"each {scope}")
    )


def _capture(section: Rule) -> Iterator[str]:
    yield f"capture: content is {section.get('content', 'left to the app')}"


def _kill(rules: Any) -> Iterator[str]:
    for number, rule in enumerate(rules):
        answer = rule.get("answer")
        does = f"get the answer {answer!r}" if answer is not None else "are refused with KillSwitchOn"
        yield f"{_head(rule, 'kill', number)}: {_when(rule)} {does}"


def _routes(rules: Any) -> Iterator[str]:
    for number, rule in enumerate(rules):
        if "model" in rule:
            does = f"go to {rule['model']}"
        else:
            does = f"are also asked of {rule['shadow_to']}, unseen ({rule.get('share', 1.0):.4g} of them)"
        yield f"{_head(rule, 'routes', number)}: {_when(rule)} {does}"


def _outputs(rules: Any) -> Iterator[str]:
    for number, rule in enumerate(rules):
        says = []
        if "default_max_tokens" in rule:
            says.append(f"{rule['default_max_tokens']} tokens where the app says nothing")
        if "max_max_tokens" in rule:
            says.append(f"{rule['max_max_tokens']} tokens at most")
        yield f"{_head(rule, 'outputs', number)}: answers to {_when(rule)} have {', '.join(says)}"


_UNITS = {
    "requests_per_minute": "requests a minute", "input_tokens_per_minute": "input tokens a minute",
    "output_tokens_per_minute": "output tokens a minute", "tokens_per_day": "tokens a day",
    "concurrent": "calls at once",
}  # fmt: skip


def _limits(rules: Any) -> Iterator[str]:
    for number, rule in enumerate(rules):
        caps = ", ".join(f"{rule[key]:,} {unit}" for key, unit in _UNITS.items() if key in rule)
        full = rule.get("when_full", "queue")
        if full == "queue":
            then = f"what finds no room waits up to {rule.get('max_wait', '20s')}"
        elif full == "reject":
            then = "what finds no room is refused with RateLimited"
        else:
            then = f"what finds no room goes to {full.removeprefix('route:')}"
        by = "an upper bound, never above" if rule.get("estimate") == "strict" else "an estimate, settled afterwards"
        yield f"{_head(rule, 'limits', number)}: {_when(rule)}: {caps} for {_scope(rule)}; {then} (counted by {by})"


def _budgets(rules: Any) -> Iterator[str]:
    for number, rule in enumerate(rules):
        cap = f"${rule['usd']:,}" if "usd" in rule else f"{rule['tokens']:,} tokens"
        steps = ", ".join(f"{share}: {does}" for share, does in rule.get("at", {"100%": "block"}).items())
        zone = "" if str(rule["per"]).startswith("rolling") else f" ({rule.get('timezone', 'UTC')})"
        unknown = "refused" if rule.get("on_unknown_price") == "block" else "let pass"
        yield (
            f"{_head(rule, 'budgets', number)}: {_when(rule)}: {cap} per {rule['per']}{zone} for {_scope(rule)};"
            f" {steps}; calls of unknown price are {unknown}"
        )


def _cache(section: Rule) -> Iterator[str]:
    rule = {"name": "cache.exact", "scope": "user", **section.get("exact", {})}
    asks = "" if rule.get("only_when_deterministic") is False else " at temperature 0, or that ask for it,"
    yield (
        f"{_head(rule, 'cache', 0)}: {_when(rule)}{asks} get the stored answer to the same request again, for"
        f" {rule.get('ttl', '1h')}, kept in {rule.get('where', 'memory')} for {_scope(rule)}"
    )


def _state(section: Rule) -> Iterator[str]:
    url = section.get("url", "sqlite:")
    if url.startswith("sqlite"):
        where = "a file shared by all processes of this user and service on this host"
    elif url.startswith("memory"):
        where = "each process on its own: every cap holds once a process"
    else:
        where = "a server shared by all hosts"
    fail = "refused" if section.get("fail") == "closed" else "let pass"
    yield f"state: counters are in {url}, {where}; calls are {fail} while it is away"


def _service(section: Rule) -> Iterator[str]:
    yield f"service: what {section['url']} says is added, where this file says nothing; kill switches of both count"


def _queue(section: Rule) -> Iterator[str]:
    names = section.get("priorities", QueueRules().priorities)
    least = section.get("least_share", {})
    shares = "".join(f"; {name} has at least {_share(share)} of what is used" for name, share in least.items())
    yield f"queue: who waits goes by priority, {', '.join(names)}, then by when it came{shares}"


def _retries(section: Rule) -> Iterator[str]:
    rules, mode = RetryRules(), section.get("mode", "enforce")
    head = "retries" if mode == "enforce" else f"retries ({mode}: {_MODES[mode]})"
    yield (
        f"{head}: a request is tried at most {section.get('max_attempts', rules.max_attempts)} times in one call tree,"
        f" after a random part of {section.get('base', f'{rules.base_s:g}s')} that doubles each time, or after what the"
        f" provider asks for, up to {section.get('max_wait', f'{rules.max_wait_s:g}s')}; never more than"
        f" {_share(section.get('storm_ratio', rules.storm_ratio))} retries in a minute's requests"
    )


def _endpoints(rules: Any) -> Iterator[str]:
    for rule in rules:
        keys = rule.get("keys")
        whose = f"with the keys {_either(keys)}" if keys else "with the app's own key"
        yield f"endpoints: {rule['name']!r} is {rule['base_url']}, for calls of the {rule['provider']} SDK, {whose}"


def _keys(rules: Any) -> Iterator[str]:
    for number, rule in enumerate(rules):
        many = [rule["keys"]] if isinstance(rule["keys"], str) else rule["keys"]
        keeps = f"; each {rule['affinity']} keeps to one" if "affinity" in rule else ""
        yield (
            f"{_head(rule, 'keys', number)}: {_when(rule)} of {rule['provider']} take the key with most left of"
            f" {', '.join(many)}{keeps}; one that was refused rests for {rule.get('cooldown', f'{COOLDOWN_S:g}s')}"
        )


def _fallbacks(rules: Any) -> Iterator[str]:
    for number, rule in enumerate(rules):
        to = [rule["to"]] if isinstance(rule["to"], str) else rule["to"]
        on = rule.get("on", ON)
        said, rules_ = rule.get("breaker", {}), BreakerRules()
        many = said.get("errors", rules_.errors)
        yield (
            f"{_head(rule, 'fallbacks', number)}: {_when(rule)} to {rule['model']} go to {', then '.join(to)} after"
            f" {_either([on] if isinstance(on, str) else on)}; what fails {many} times within"
            f" {said.get('within', f'{rules_.within_s:g}s')} is left out for {said.get('open', f'{rules_.open_s:g}s')}"
        )


def _share(share: Any) -> str:
    return share if isinstance(share, str) else f"{share:.0%}"


_WORDS: dict[str, Any] = {
    "capture": _capture, "service": _service, "kill": _kill, "routes": _routes, "outputs": _outputs,
    "cache": _cache, "state": _state, "limits": _limits, "queue": _queue, "budgets": _budgets,
    "retries": _retries, "keys": _keys, "endpoints": _endpoints,
    "fallbacks": _fallbacks,
}  # fmt: skip
