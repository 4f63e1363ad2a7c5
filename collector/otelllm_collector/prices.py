"""What a call of a model costs, where nobody has said it: a pure function over a span's row.

Foreign libraries send tokens and a model, hardly ever money. What is computed here is noted as made, so that an export
gives back what came and nothing else, and so that `reprice` knows what it may compute anew.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson

from otelllm import semconv
from otelllm.call import Cost, Usage
from otelllm.pricing import cost_of

from .questions import MODEL_CALLS
from .rows import Batch
from .span_row import SpanRow

__all__ = ["Priced", "is_ours", "price", "with_cost", "with_costs"]

_UNITS = {
    semconv.USAGE_CACHE_WRITE_1H: "cache_write_1h",
    semconv.USAGE_TEXT_INPUT: "text_input",
    semconv.USAGE_IMAGE_INPUT: "image_input",
    semconv.USAGE_AUDIO_INPUT: "audio_input",
    semconv.USAGE_TEXT_OUTPUT: "text_output",
    semconv.USAGE_IMAGE_OUTPUT: "image_output",
    semconv.USAGE_AUDIO_OUTPUT: "audio_output",
    semconv.USAGE_TEXT_CACHE_READ: "text_cache_read",
    semconv.USAGE_IMAGE_CACHE_READ: "image_cache_read",
    semconv.USAGE_AUDIO_CACHE_READ: "audio_cache_read",
}
"""Attributes without a column of their own -> the fields of `Usage` that have other prices than plain tokens."""

_TIERS = (semconv.TIER, semconv.OPENAI_RESPONSE_SERVICE_TIER, semconv.OPENAI_REQUEST_SERVICE_TIER)
_COLUMNS = ("cost_usd", "cost_status")
_ONLY_COST = '{"columns":["cost_usd","cost_status"],"attributes":{}}'
_OUR_SOURCE = "genai-prices@"
"""What `otelllm.cost.source` begins with where the price file said it, in the app or here."""
_BILLED_APART = frozenset({"cohere"})
"""Providers that bill other units than they count: from a span alone their price can't be computed anew."""


class Priced(NamedTuple):
    """What to note in a span's row."""

    cost_usd: float | None
    cost_status: str
    attributes: str
    made: str


def with_costs(batch: Batch) -> Batch:
    """The batch, in whose spans it is noted what each call cost, where nobody has said so."""
    for row in batch.spans:
        _add_cost(row)
    return batch


def _add_cost(row: SpanRow) -> None:
    if row.cost_status is None and row.cost_usd is None and (cost := price(row)) is not None:
        row.cost_usd, row.cost_status = cost.usd, cost.status
        row.made = _with_columns(row.made)


def price(row: SpanRow) -> Cost | None:
    """By today's prices; None where the span is no call of a model that says what it used."""
    if row.operation not in MODEL_CALLS or (row.input_tokens is None and row.output_tokens is None):
        return None
    models = [model for model in (row.response_model, row.request_model) if model]
    if not models:
        return None
    usage = Usage(
        input=row.input_tokens,
        output=row.output_tokens,
        cache_read=row.cache_read_tokens,
        cache_write=row.cache_write_tokens,
        reasoning=row.reasoning_tokens,
    )
    tier = _read_rest(row, usage)
    cost = Cost("unknown_model")
    for model in models:
        # A price may have been another when the call began.
        cost = cost_of(usage, provider=row.provider or "", model=model, tier=tier, at_ns=row.start_ns)
        if cost.status != "unknown_model":
            break
    return cost


def is_ours(row: SpanRow) -> bool:
    """Whether the span's cost is a sum that the price file gave, or missing; not what a provider, a library or the
    app's own prices say.
    """
    if row.cost_usd is None:
        return row.cost_status in (None, "unknown_model", "unknown_price")
    if "cost_usd" in _made_columns(row.made):
        return row.cost_status != "reported"
    source = orjson.loads(row.attributes).get(semconv.COST_SOURCE)
    return isinstance(source, str) and source.startswith(_OUR_SOURCE) and row.provider not in _BILLED_APART


def with_cost(row: SpanRow, cost: Cost) -> Priced:
    """The row's columns with another cost; what came as an attribute goes back among the attributes, as it came."""
    attributes = row.attributes
    if not set(_COLUMNS) <= _made_columns(row.made):
        came: dict[str, Any] = orjson.loads(attributes)
        for name, value in ((semconv.COST, row.cost_usd), (semconv.COST_STATUS, row.cost_status)):
            if value is not None:
                came.setdefault(name, value)
        attributes = orjson.dumps(came).decode()
    return Priced(cost.usd, cost.status, attributes, _with_columns(row.made))


def _with_columns(made: str | None) -> str:
    if made is None:
        return _ONLY_COST
    found = orjson.loads(made)
    found["columns"] = list(dict.fromkeys([*found["columns"], *_COLUMNS]))
    return orjson.dumps(found).decode()


def _made_columns(made: str | None) -> set[str]:
    return set(orjson.loads(made)["columns"]) if made else set()


def _read_rest(row: SpanRow, usage: Usage) -> str | None:
    """Add to the usage what has no column; returns the tier that the call is billed as."""
    tier: str | None = None
    for text in (row.made, row.attributes):
        # Reading the text costs more than all else here, and hardly any has something to say.
        if text is None or not (".usage." in text or "tier" in text):
            continue
        found = orjson.loads(text)
        found = found["attributes"] if text is row.made else found
        for name, value in found.items():
            if name in _UNITS and type(value) is int:
                setattr(usage, _UNITS[name], value)
            elif name == semconv.USAGE_ESTIMATED:
                usage.estimated = value is True
            elif name.startswith(semconv.USAGE_OTHER) and name not in _UNITS and type(value) in (int, float):
                usage.other = {**(usage.other or {}), name.removeprefix(semconv.USAGE_OTHER): float(value)}
        tier = next((found[name] for name in _TIERS if isinstance(found.get(name), str)), tier)
    return tier
