"""The price file: which row a model is, and what one token of each class cost at a moment."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import orjson

__all__ = ["OTHER_UNITS", "Cell", "Plan", "PriceTable", "Rates", "read_table"]

DAY_NS = 86_400_000_000_000

# Our provider names where the data's own rule is missing or wrong: it takes azure.ai.openai for openai.
PROVIDERS = {
    "azure.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "gcp.gen_ai": "google",
    "x_ai": "x-ai",
    "moonshot_ai": "moonshotai",
    "fireworks_ai": "fireworks",
    "novita_ai": "novita",
    "z_ai": "zai",
    "zhipu_ai": "zhipuai",
}

FREE_PROVIDERS = frozenset({"llama_cpp", "lm_studio", "ollama", "vllm"})
"""Models that run on the user's own machine: nobody bills a call."""
ELSEWHERE = ("-cloud", ":cloud")
"""Names of models that such a server only hands on to somebody's cloud."""

# What `Usage.other` counts -> the prices that it can have, the first that exists, and how many of it one price buys.
OTHER_UNITS: dict[str, tuple[tuple[str, ...], float]] = {
    "audio_seconds": (("input_audio_hours", "audio_hours"), 3600),
    "characters": (("input_mchars",), 1e6),
    "pages": (("input_document_kpages",), 1e3),
    "searches": (("rerank_searches_kcount", "web_searches_kcount"), 1e3),
    "server_tool.web_search": (("web_searches_kcount",), 1e3),
    "server_tool.file_search": (("storage_searches_kcount",), 1e3),
    "server_tool.code_execution": (("code_executions_kcount",), 1e3),
    "server_tool.code_interpreter": (("code_executions_kcount",), 1e3),
}

_RESOURCE = re.compile(r"^(?:.*/)?publishers/[^/]+/models/|^models/")
_COMPACT_DATE = re.compile(r"-(20\d{2})(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=-|:|$)")
_VARIANT_SUFFIX = re.compile(r":[a-z_-]+$")


@dataclass(frozen=True, slots=True)
class Rates:
    """US dollars for one token of each class. Without a price of its own (see `own`) a class has its parent's."""

    input: float
    cache_read: float
    cache_write: float
    cache_write_1h: float
    output: float
    reasoning: float
    audio_input: float
    audio_cache_read: float
    image_input: float
    image_cache_read: float
    audio_output: float
    image_output: float
    request: float
    """For the call as such, whatever it used."""
    other: dict[str, float]
    least_audio_s: float
    own: frozenset[str]
    by_modality: bool
    """Whether any class beyond plain input, cache and output has a price of its own."""


class Cell(NamedTuple):
    """One model's prices in one tier at one moment: `rates[n]` where n of `starts` are below the input tokens."""

    starts: tuple[int, ...]
    rates: tuple[Rates, ...]
    tier_is_priced: bool


@dataclass(slots=True)
class Plan:
    """What one model costs in one tier, over time."""

    row: list[Any]
    tier: str
    takes_tiers: bool = True
    is_free: bool = False
    is_guess: bool = False
    """Found only by leaving out a suffix of the model's name."""
    source: str = ""
    dates: tuple[int, ...] = ()
    hours: tuple[int, ...] = ()
    """Moments of the day, in nanoseconds UTC, at which a price begins or ends."""
    cells: dict[tuple[int, int], Cell] = field(default_factory=dict)
    now: Cell | None = None
    """The only cell, where prices do not change with time."""

    def __post_init__(self) -> None:
        marks = [when for when, _ in _dated(self.row)]
        marks += [when for _, _, when in self._variants()]
        self.dates = tuple(sorted({_date_ns(when) for when in marks if isinstance(when, str)}))
        self.hours = tuple(sorted({_hour_ns(text) for when in marks if isinstance(when, list) for text in when}))
        if not self.dates and not self.hours:
            self.now = self._cell(0)

    def at(self, at_ns: int) -> Cell:
        """The prices for a call that started at this moment."""
        if self.now is not None:
            return self.now
        key = (bisect_right(self.dates, at_ns), bisect_right(self.hours, at_ns % DAY_NS) if self.hours else 0)
        cell = self.cells.get(key)
        if cell is None:
            cell = self.cells[key] = self._cell(at_ns)
        return cell

    def _variants(self) -> list[list[Any]]:
        if not self.takes_tiers or len(self.row) < 3:
            return []
        return [variant for variant in self.row[2] if variant[0] == self.tier]

    def _cell(self, at_ns: int) -> Cell:
        steps = _dated(self.row)
        # The last price that holds wins; where none does, the first (the data's own rule).
        prices = dict(next((step for when, step in reversed(steps) if _holds(when, at_ns)), steps[0][1]))
        variants = [changes for _, changes, when in self._variants() if _holds(when, at_ns)]
        for changes in reversed(variants):
            prices.update(changes)
        starts = sorted({step[0] for price in prices.values() if isinstance(price, list) for step in price[1:]})
        rates = tuple(_rates(_at_step(prices, start)) for start in [-1, *starts])
        return Cell(tuple(starts), rates, bool(variants) or self.tier == "standard")


class PriceTable:
    """The price file in memory."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self.source = f"genai-prices@{raw['date']}"
        self.providers: dict[str, dict[str, Any]] = raw["providers"]

    def plan(self, provider: str, model: str, tier: str) -> Plan | None:
        """The prices of this model, or None for a model that the file does not know."""
        name = model.strip().lower()
        if (provider in FREE_PROVIDERS and not name.endswith(ELSEWHERE)) or (
            provider == "openrouter" and name.endswith(":free")
        ):
            return Plan([None, {}], tier, is_free=True, source=self.source)
        found, name = self._through_litellm(name) if provider == "litellm" else (self._provider(provider), name)
        if found is None:
            return None
        for candidate, is_guess in self._candidates(name):
            row, takes_tiers = self._row(found, candidate)
            if row is not None:
                return Plan(row, tier, takes_tiers, is_guess=is_guess, source=self.source)
        return None

    def _through_litellm(self, name: str) -> tuple[str | None, str]:
        """LiteLLM names the provider before the model, or leaves it out where the model's name tells."""
        prefix, slash, rest = name.partition("/")
        if slash and (found := self._provider(prefix)) is not None:
            return found, rest
        owners = (key for key, each in self.providers.items() if "owns" in each and _matches(each["owns"], name))
        return next(owners, None), name

    def _provider(self, name: str) -> str | None:
        name = PROVIDERS.get(name.lower().strip(), name.lower().strip())
        if name in self.providers:
            return name
        for key, provider in self.providers.items():
            if "match" in provider and _matches(provider["match"], name):
                return key
        return None

    def _candidates(self, name: str) -> list[tuple[str, bool]]:
        names = [name]
        bare = _RESOURCE.sub("", name)
        names.append(bare)
        for _ in range(2):
            prefix, slash, rest = bare.partition("/")
            if slash and rest and self._provider(prefix) is not None:
                bare = rest
                names.append(bare)
        exact = list(dict.fromkeys(names))
        cut = [_VARIANT_SUFFIX.sub("", each) for each in exact]
        return [(each, False) for each in exact] + [(each, True) for each in cut if each not in exact]

    def _row(self, provider: str, name: str) -> tuple[list[Any] | None, bool]:
        """The row of this name, and whether it is the provider's own: tiers of another's rows do not count here."""
        own = self.providers[provider]
        dashed = _COMPACT_DATE.sub(r"-\1-\2-\3", name)
        for text in dict.fromkeys((name, dashed)):
            for place in (own, *(self.providers[other] for other in own.get("fallback", ()))):
                for row in place["models"]:
                    if _matches(row[0], text):
                        return row, place is own
        return None, False


def read_table(path: Path | None = None) -> PriceTable:
    """The price file of the wheel, or of `path`."""
    return PriceTable(orjson.loads((path or Path(__file__).with_name("prices.json")).read_bytes()))


def _matches(rule: Any, text: str) -> bool:
    if isinstance(rule, list):
        parts = (_matches(part, text) for part in rule[1:])
        return any(parts) if rule[0] == "|" else all(parts)
    sign, value = rule[0], rule[1:]
    if sign == "=":
        return text == value  # type: ignore[no-any-return]  # JSON of our own script
    if sign == "^":
        return text.startswith(value)
    if sign == "$":
        return text.endswith(value)
    return value in text if sign == "~" else re.search(value, text) is not None


def _dated(row: list[Any]) -> list[tuple[Any, dict[str, Any]]]:
    prices = row[1]
    return [(None, prices)] if isinstance(prices, dict) else [(when, step) for when, step in prices]


def _holds(when: Any, at_ns: int) -> bool:
    if when is None:
        return True
    if isinstance(when, str):
        return at_ns >= _date_ns(when)
    start, end, moment = _hour_ns(when[0]), _hour_ns(when[1]), at_ns % DAY_NS
    return start <= moment < end if start <= end else moment >= start or moment < end


def _date_ns(text: str) -> int:
    return (date.fromisoformat(text).toordinal() - date(1970, 1, 1).toordinal()) * DAY_NS


def _hour_ns(text: str) -> int:
    hours, minutes, seconds = map(int, text.split(":"))
    return (hours * 3600 + minutes * 60 + seconds) * 1_000_000_000


def _at_step(prices: dict[str, Any], start: int) -> dict[str, float]:
    """The prices once more than `start` input tokens are used: a cliff, all tokens cost what the last step says."""
    step = {}
    for key, price in prices.items():
        if isinstance(price, list):
            step[key] = [price[0], *(value for begins, value in price[1:] if begins <= start)][-1]
        else:
            step[key] = price
    return step


def _rates(prices: dict[str, float]) -> Rates:
    def price(*keys: str) -> float:
        return next((prices[key] for key in keys if key in prices), 0.0) / 1e6

    reads = ("cache_read", "input") if "input_audio" not in prices else ("cache_read", "input_audio")
    image_reads = ("cache_read", "input") if "input_image" not in prices else ("cache_read", "input_image")
    other = {
        name: next(prices[key] for key in keys if key in prices) / per
        for name, (keys, per) in OTHER_UNITS.items()
        if any(key in prices for key in keys)
    }
    modal = ("input_audio", "input_image", "output_audio", "output_image", "output_reasoning")
    return Rates(
        input=price("input"),
        cache_read=price("cache_read", "input"),
        cache_write=price("cache_write", "input"),
        cache_write_1h=price("cache_write_1h", "cache_write", "input"),
        output=price("output"),
        reasoning=price("output_reasoning", "output"),
        audio_input=price("input_audio", "input"),
        audio_cache_read=price("cache_audio_read", *reads),
        image_input=price("input_image", "input"),
        image_cache_read=price("cache_image_read", *image_reads),
        audio_output=price("output_audio", "output"),
        image_output=price("output_image", "output"),
        request=prices.get("requests_kcount", 0.0) / 1e3,
        other=other,
        least_audio_s=prices.get("least_audio_s", 0.0),
        own=frozenset(prices),
        by_modality=any(key in prices for key in modal),
    )
