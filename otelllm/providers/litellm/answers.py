"""What LiteLLM says about an answer besides the answer: usage in its words, and `_hidden_params`."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from ... import semconv
from ...call import Cost, Reading, Usage
from ...fields import field, members, plain
from ...openai_format.usage import read_usage
from .routes import name_of, server_of

__all__ = ["CACHED", "as_cached", "document_usage", "hidden", "own_id", "read_about", "read_cost", "usage_of"]

CACHED = "cached_response"
"""What LiteLLM calls its cache, where a provider's name stands."""

_NOTHING: Mapping[str, Any] = {}
_IDS = ("llm_provider-x-request-id", "llm_provider-request-id", "llm_provider-apim-request-id",
        "llm_provider-x-amzn-requestid")  # fmt: skip


def hidden(thing: Any) -> Mapping[str, Any]:
    """The `_hidden_params` of an answer, a stream or a chunk."""
    found = thing.get("_hidden_params") if isinstance(thing, dict) else getattr(thing, "_hidden_params", None)
    return found if isinstance(found, Mapping) else _NOTHING


def usage_of(usage: Any) -> Usage | None:
    """Usage as LiteLLM gives it, in OpenAI's sense whoever answered; None where the provider gave none: it then writes
    zeros everywhere.
    """
    found = read_usage(usage)
    if found is None or not (found.input or found.output):
        return None
    said = members(usage)
    into = members(said.get("prompt_tokens_details") or said.get("input_tokens_details"))
    if found.cache_read is None:
        found.cache_read = _count(said, "cache_read_input_tokens")
    if found.cache_write is None:
        found.cache_write = _count(into, "cache_creation_tokens")
    if found.cache_write is None:
        found.cache_write = _count(said, "cache_creation_input_tokens")
    found.cache_write_1h = _count(members(into.get("cache_creation_token_details")), "ephemeral_1h_input_tokens")
    # Computed by LiteLLM as the rest where the answer is nothing but text; a fact where there is more than one kind.
    if not (found.audio_input or found.image_input):
        found.text_input = None
    if not (found.audio_output or found.image_output):
        found.text_output = None
    searches = _count(members(said.get("server_tool_use")), "web_search_requests")
    if searches:
        found.other = {"server_tool.web_search": searches}
    return found


def _count(said: Mapping[str, Any], name: str) -> int | None:
    value = said.get(name)
    return value if type(value) is int and value >= 0 else None


def read_about(reading: Reading, about: Mapping[str, Any]) -> None:
    """Who answered, where, under which id of the request; whether LiteLLM's cache did."""
    provider = plain(about.get("custom_llm_provider"))
    if provider == CACHED or about.get("cache_hit") is True:
        as_cached(reading)
    if provider and provider != CACHED:
        reading.provider = name_of(provider)
    reading.server = server_of(about.get("api_base")) or reading.server
    reading.model = plain(about.get("provider_response_model")) or reading.model
    headers = about.get("additional_headers")
    if isinstance(headers, Mapping):
        reading.request_id = next((found for name in _IDS if (found := plain(headers.get(name)))), reading.request_id)


def as_cached(reading: Reading) -> None:
    """It came out of LiteLLM's cache: nothing was used, nothing is charged."""
    reading.attributes[semconv.CACHE_OUTCOME] = "hit"
    reading.cost = Cost("cached", 0.0)
    reading.usage = None


def read_cost(reading: Reading, usd: Any) -> None:
    """LiteLLM's own price; it says 0 of models that it has no price of."""
    if reading.cost is None and isinstance(usd, int | float) and not isinstance(usd, bool) and usd > 0:
        reading.cost = Cost("approximate", float(usd), other=float(usd), source="provider")


def own_id(given: Any) -> str | None:
    """The provider's id in one that LiteLLM made of it: `resp_` and base64 of "litellm:…;response_id:…"."""
    text = plain(given)
    if text is None or not text.startswith("resp_"):
        return text
    try:
        told = b64decode(text.removeprefix("resp_"), validate=True).decode()
    except ValueError:
        return text
    return told.rpartition("response_id:")[2] if told.startswith("litellm:") else text


def document_usage(meta: Any) -> Usage | None:
    """What a rerank is billed by."""
    units = field(meta, "billed_units")
    searches, tokens = field(units, "search_units"), field(units, "total_tokens")
    used = field(field(meta, "tokens"), "input_tokens")
    found = Usage()
    if type(searches) is int:
        found.other = {"searches": searches}
    count = used if type(used) is int else tokens
    found.input = count if type(count) is int else None
    return found if found.other or found.input is not None else None
