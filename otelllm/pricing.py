"""Usage -> money, by token class and tier. The prices are the wheel's price file's, or the user's own."""

from __future__ import annotations

import math
import time
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from .call import Cost, Usage
from .errors import BadConfig
from .price_table import OTHER_UNITS, Plan, PriceTable, read_table
from .safely import safely

if TYPE_CHECKING:
    from .price_table import Rates

__all__ = ["configure", "cost_of", "cost_of_shares", "quote", "refresh", "source", "warm_up"]

STANDARD = frozenset({"", "auto", "default", "on_demand", "standard"})
CONFIGURABLE = {
    "input": "input",
    "output": "output",
    "cache_read": "cache_read",
    "cache_write": "cache_write",
    "cache_write_1h": "cache_write_1h",
    "reasoning": "output_reasoning",
    "audio_input": "input_audio",
    "audio_output": "output_audio",
    "image_input": "input_image",
    "image_output": "output_image",
    "requests": "requests_kcount",
}
"""What `configure` takes -> the price file's word for it."""

# Models that somebody makes up must not fill the memory; a miss costs up to 0.3 ms, a hit a dictionary look-up.
REMEMBERED = 4096

MOST = 1e15
"""No call uses more of anything; a larger count is a slip."""

TOKENS = tuple(field.name for field in fields(Usage) if field.name not in ("other", "estimated"))
BILLED_TOOLS = frozenset(name for name in OTHER_UNITS if name.startswith("server_tool."))

_plans: dict[tuple[str, str | None, str | None], Plan | None] = {}
_table: PriceTable | None = None
_configured: dict[str, dict[str, float]] = {}

_NO_USAGE = Cost("no_usage")
_CERTAINTY = ("free", "exact", "approximate", "estimated")


def cost_of(
    usage: Usage | None, *, provider: str, model: str | None, tier: str | None = None, at_ns: int | None = None
) -> Cost:
    """What a call cost; `at_ns` is its start in nanoseconds since the epoch, now where it is left out. Never raises."""
    if usage is None:
        return _NO_USAGE
    try:
        plan = _plans[provider, model, tier]
    except (KeyError, TypeError):
        plan = None
        with safely("finding a price"):
            plan = _remember(provider, model, tier)
    if plan is None:
        return Cost("unknown_model") if _reported(usage) else _NO_USAGE
    try:
        return _cost(usage, plan, at_ns)
    except (ArithmeticError, AttributeError, TypeError, ValueError):
        with safely("pricing a call"):
            return _cost(_tidied(usage), plan, at_ns)
        return Cost("unknown_price")


def quote(
    tokens_in: float, tokens_out: float, *, provider: str, model: str | None, tier: str | None = None
) -> tuple[float, float] | None:
    """US dollars that a request of so many tokens will cost, and its answer; None where the price is not known. For
    estimates: what is plain is multiplied, without the parts and the certainty of a `Cost`. Never raises.
    """
    plan = _plans.get((provider, model, tier))
    if plan is not None and (cell := plan.now) is not None:
        rates = cell.rates[bisect_left(cell.starts, tokens_in)]
        if rates.input and rates.output and not rates.by_modality:
            return tokens_in * rates.input + rates.request, tokens_out * rates.output
    usage = Usage(input=round(tokens_in), output=round(tokens_out))
    cost = cost_of(usage, provider=provider, model=model, tier=tier)
    return None if cost.usd is None else (cost.usd - cost.output, cost.output)


def cost_of_shares(
    shares: Sequence[tuple[str, Usage]],
    other: Mapping[str, float] | None = None,
    *,
    provider: str,
    tier: str | None = None,
    at_ns: int | None = None,
) -> Cost:
    """What a call cost that several models answered together, each with its own usage, and `other` which nobody's
    share names. Never raises.
    """
    used = [*shares[:-1], (shares[-1][0], replace(shares[-1][1], other=dict(other)))] if other else shares
    costs = [cost_of(usage, provider=provider, model=model, tier=tier, at_ns=at_ns) for model, usage in used]
    unknown = next((cost for cost in costs if cost.usd is None and cost.status != "no_usage"), None)
    priced = [cost for cost in costs if cost.usd is not None]
    if unknown is not None or not priced:
        return unknown or _NO_USAGE  # what some of them cost is not what it cost

    def total(part: str) -> float:
        return float(sum(getattr(cost, part) for cost in priced))

    return Cost(
        max((cost.status for cost in priced), key=_CERTAINTY.index),
        total("usd"), total("input"), total("cache_read"), total("cache_write"), total("output"), total("other"),
        priced[0].source, priced[0].tier,
    )  # fmt: skip


def configure(prices: Mapping[str, Mapping[str, float]] | None) -> None:
    """The user's own prices, which win: {model or glob: {"input": USD for 1M tokens, …, "requests": USD for a call}}.

    A name matches the model or "provider/model"; None or {} takes them back.
    """
    checked = {name.lower(): _own_prices(name, own) for name, own in (prices or {}).items()}
    _configured.clear()
    _configured.update(checked)
    _plans.clear()


def warm_up() -> None:
    """Read the price file now (3 ms): for a thread of ours, so that no call of the app waits for it."""
    _prices()


def source() -> str:
    """Which price data is in use, as `otelllm.cost.source` says it."""
    return _prices().source


def refresh(*, fetch: bool = False) -> str:
    """Take the prices of the installed genai-prices, with `fetch` its newest over the network; returns the new source.

    Nothing in otelllm calls this by itself. Where genai-prices' own UpdatePrices runs, its data is taken.
    """
    try:
        import genai_prices  # noqa: PLC0415  an extra: 200 ms and pydantic
        from genai_prices import data_snapshot  # noqa: PLC0415
    except ImportError as error:
        raise BadConfig("prices.refresh needs genai-prices; install it with pip install 'otelllm[prices]'") from error
    from datetime import UTC, datetime  # noqa: PLC0415  used here only

    from .price_source import convert  # noqa: PLC0415  used here only

    snapshot = genai_prices.UpdatePrices().fetch() if fetch else None
    providers = (snapshot or data_snapshot.get_snapshot()).providers
    today = datetime.now(UTC).date().isoformat()
    global _table  # noqa: PLW0603  one price table a process
    _table = PriceTable(convert(providers, version=genai_prices.__version__, today=today))
    _plans.clear()
    return _table.source


def _prices() -> PriceTable:
    global _table  # noqa: PLW0603  one price table a process
    if _table is None:
        _table = read_table()
    return _table


def _own_prices(name: str, own: Mapping[str, float]) -> dict[str, float]:
    if not isinstance(own, Mapping) or not own:
        raise BadConfig(f'prices of {name!r} are {own!r}; give a table such as {{"input": 2.5, "output": 10}}')
    checked: dict[str, float] = {}
    for key, value in own.items():
        if key not in CONFIGURABLE:
            raise BadConfig(f"prices of {name!r}: {key!r} is not a price; use one of {', '.join(CONFIGURABLE)}")
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
            what = "a call" if key == "requests" else "1M tokens"
            raise BadConfig(f"prices of {name!r}: {key} = {value!r} is no price; give US dollars for {what}, 0 or more")
        checked[CONFIGURABLE[key]] = value * 1e3 if key == "requests" else value
    return checked


def _remember(provider: str, model: str | None, tier: str | None) -> Plan | None:
    plan = _plan(provider, model, _tier(tier)) if model else None
    if len(_plans) >= REMEMBERED:
        _plans.clear()
    _plans[provider, model, tier] = plan
    return plan


def _plan(provider: str, model: str, tier: str) -> Plan | None:
    name = model.lower()
    for pattern, prices in _configured.items():
        if fnmatchcase(name, pattern) or fnmatchcase(f"{provider}/{name}", pattern):
            is_free = not any(prices.values())
            return Plan([None, prices], tier, is_free=is_free, source="configured")
    return _prices().plan(provider, model, tier)


def _tier(tier: str | None) -> str:
    word = (tier or "").strip().lower()
    return "standard" if word in STANDARD else word


def _cost(usage: Usage, plan: Plan, at_ns: int | None) -> Cost:
    cell = plan.now or plan.at(time.time_ns() if at_ns is None else at_ns)
    total, output = usage.input or 0, usage.output or 0
    read, write = usage.cache_read or 0, usage.cache_write or 0
    is_exact = cell.tier_is_priced and not plan.is_guess
    if not (output >= 0 and read >= 0 and write >= 0 and total >= read + write):
        usage, is_exact = _tidied(usage), False
        total, output = usage.input or 0, usage.output or 0
        read, write = usage.cache_read or 0, usage.cache_write or 0
    rates = cell.rates[bisect_left(cell.starts, total)]
    if rates.by_modality:
        cost_in, cost_read, cost_out = _by_modality(usage, rates)
    else:
        cost_in = (total - read - write) * rates.input
        cost_read = read * rates.cache_read
        cost_out = output * rates.output
    cost_write = write * rates.cache_write
    if usage.cache_write_1h:
        hour = min(max(0, usage.cache_write_1h), write)
        cost_write += hour * (rates.cache_write_1h - rates.cache_write)
    cost_other = rates.request + _other(usage.other, rates) if usage.other else rates.request
    usd = cost_in + cost_read + cost_write + cost_out + cost_other
    if not usd < math.inf:
        raise OverflowError(usd)  # caught in cost_of, which tidies the usage
    if usd == 0.0:
        return _costless(usage, plan)
    status = "exact" if is_exact and _all_priced(usage, rates) else "approximate"
    if usage.estimated:
        status = "estimated"
    return Cost(status, usd, cost_in, cost_read, cost_write, cost_out, cost_other, plan.source, plan.tier)


def _costless(usage: Usage, plan: Plan) -> Cost:
    """A sum of 0: right where nothing was used or nobody bills it; else the data lacks a price, for tts-1 by token."""
    if not _reported(usage):
        return _NO_USAGE
    if plan.is_free:
        return Cost("free", 0.0, source=plan.source, tier=plan.tier)
    if any(_counts(usage)):
        return Cost("unknown_price", source=plan.source, tier=plan.tier)
    return Cost("estimated" if usage.estimated else "exact", 0.0, source=plan.source, tier=plan.tier)


def _all_priced(usage: Usage, rates: Rates) -> bool:
    """Whether all that was used has a price of its own. Image input and reasoning rightly take their parent's."""
    own = rates.own
    return not (
        (usage.output and ((rates.output == 0.0 and "output" not in own) or usage.input is None))
        or (usage.input and rates.input == 0.0 and "input" not in own)
        or (usage.cache_read and "cache_read" not in own)
        or (usage.cache_write and "cache_write" not in own)
        or (usage.cache_write_1h and "cache_write_1h" not in own)
        or (usage.audio_input and "input_audio" not in own)
        or (usage.audio_output and "output_audio" not in own)
        or (usage.image_output and "output_image" not in own)
        or (usage.other and any(n and k in BILLED_TOOLS and k not in rates.other for k, n in usage.other.items()))
    )


def _by_modality(usage: Usage, rates: Rates) -> tuple[float, float, float]:
    """Input, cache reads and output in US dollars, where audio, images or reasoning have prices of their own."""
    total, read, output = usage.input or 0, usage.cache_read or 0, usage.output or 0
    audio, image = max(0, usage.audio_input or 0), max(0, usage.image_input or 0)
    audio_read = min(max(0, usage.audio_cache_read or 0), audio, read)
    image_read = min(max(0, usage.image_cache_read or 0), image, read - audio_read)
    plain = total - read - (usage.cache_write or 0) - (audio - audio_read) - (image - image_read)
    if plain < 0:
        # More than the whole: what overlaps is cached audio or images that the provider did not name.
        more = min(-plain, audio - audio_read, read - audio_read - image_read)
        audio_read += more
        image_read += min(-plain - more, image - image_read, read - audio_read - image_read)
        plain = 0
    cost_in = plain * rates.input
    cost_in += (audio - audio_read) * rates.audio_input + (image - image_read) * rates.image_input
    cost_read = (read - audio_read - image_read) * rates.cache_read
    cost_read += audio_read * rates.audio_cache_read + image_read * rates.image_cache_read
    thought = min(max(0, usage.reasoning or 0), output)
    spoken = min(max(0, usage.audio_output or 0), output - thought)
    drawn = min(max(0, usage.image_output or 0), output - thought - spoken)
    cost_out = (output - thought - spoken - drawn) * rates.output
    cost_out += thought * rates.reasoning + spoken * rates.audio_output + drawn * rates.image_output
    return cost_in, cost_read, cost_out


def _other(other: Mapping[str, float], rates: Rates) -> float:
    cost = 0.0
    for name, count in other.items():
        rate = rates.other.get(name)
        if rate and count > 0:
            cost += rate * (max(count, rates.least_audio_s) if name == "audio_seconds" else count)
    return cost


def _counts(usage: Usage) -> list[float]:
    counts = [getattr(usage, name) for name in TOKENS]
    return [count for count in (*counts, *(usage.other or {}).values()) if count is not None]


def _reported(usage: Usage) -> bool:
    return usage.input is not None or usage.output is not None or bool(_counts(usage))


def _tidied(usage: Usage) -> Usage:
    """The same usage as it can be priced: no count below 0 or that is no number, no part above its whole."""
    other = usage.other.items() if isinstance(usage.other, Mapping) else ()
    tidy = Usage(estimated=usage.estimated, other={name: count for name, each in other if (count := _count(each))})
    for name in TOKENS:
        setattr(tidy, name, _count(getattr(usage, name)))
    parts = (tidy.cache_read or 0) + (tidy.cache_write or 0)
    tidy.input = max(tidy.input or 0, parts) if parts else tidy.input
    return tidy


def _count(value: object) -> int | float | None:
    return value if isinstance(value, int | float) and 0 <= value < MOST else None
