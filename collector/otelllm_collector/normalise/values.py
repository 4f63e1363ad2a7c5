"""Values as senders spell them: numbers as text, lists as JSON text, a provider under twelve names."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

__all__ = [
    "FINISHES",
    "count",
    "finish",
    "flag",
    "found",
    "grouped",
    "items",
    "number",
    "parsed",
    "provider",
    "provider_of_model",
    "raised",
    "text",
]

_LIMIT = 2**63

FINISHES = {
    **dict.fromkeys(("tool_calls", "tool_call", "tool-calls", "tool_use", "function_call"), "tool_call"),
    **dict.fromkeys(("stop", "end_turn", "stop_sequence", "completed", "complete", "eos", "finish"), "stop"),
    **dict.fromkeys(("length", "max_tokens", "max_output_tokens", "incomplete", "model_length"), "length"),
    **dict.fromkeys(("content_filter", "content-filter", "safety", "refusal", "recitation"), "content_filter"),
}
"""A provider's word, in lower case, to the conventions'."""

_PROVIDERS = {
    **dict.fromkeys(("azure", "azure_openai", "azure-openai", "azure.ai.openai", "az.ai.openai"), "azure.ai.openai"),
    **dict.fromkeys(("az.ai.inference", "azure.ai.inference"), "azure.ai.inference"),
    **dict.fromkeys(("google", "gemini", "google_genai", "google-genai", "gcp.gemini"), "gcp.gemini"),
    **dict.fromkeys(("google.generative-ai", "google_generativeai", "google_ai_studio"), "gcp.gemini"),
    "gcp.gen_ai": "gcp.gen_ai",
    **dict.fromkeys(
        ("vertexai", "google_vertexai", "vertex_ai", "google.vertex", "gcp.vertex.agent", "gcp.vertex_ai"),
        "gcp.vertex_ai",
    ),
    **dict.fromkeys(
        ("aws", "bedrock", "aws_bedrock", "aws.bedrock", "amazon_bedrock", "amazon-bedrock"), "aws.bedrock"
    ),
    **dict.fromkeys(("mistral", "mistralai", "mistral_ai"), "mistral_ai"),
    **dict.fromkeys(("xai", "x_ai"), "x_ai"),
    **dict.fromkeys(("watsonx", "watsonx.ai", "ibm.watsonx.ai"), "ibm.watsonx.ai"),
    **dict.fromkeys(("together", "together_ai", "togetherai"), "together"),
}
_PLAIN_PROVIDERS = frozenset(
    {"anthropic", "cohere", "deepseek", "fireworks_ai", "groq", "ollama", "openai", "openrouter", "perplexity"}
)
"""Those that everybody calls alike."""
_FRAMEWORKS = frozenset(
    {
        "langchain",
        "langgraph",
        "strands-agents",
        "microsoft.agent_framework",
        "llama_index",
        "llamaindex",
        "crewai",
        "_other",
    }
)
"""What some write as provider."""


def found(**fields: Any) -> dict[str, Any]:
    """Only what is there."""
    return {name: value for name, value in fields.items() if value is not None}


def count(value: Any) -> int | None:
    """A number of tokens or the like: 123, 123.0 or "123"; None for what is none, and for what is below zero."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        as_float = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    if not (math.isfinite(as_float) and as_float.is_integer() and 0 <= as_float < _LIMIT):
        return None
    return value if isinstance(value, int) else int(as_float)


def number(value: Any) -> float | None:
    """A finite number, also from its text."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        made = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return made if math.isfinite(made) else None


def flag(value: Any) -> bool | None:
    """True, "true", "True", 1; None for what is neither yes nor no."""
    if isinstance(value, bool):
        return value
    return {"true": True, "1": True, "false": False, "0": False}.get(str(value).strip().lower())


def text(value: Any) -> str | None:
    """A text that says something."""
    return value if isinstance(value, str) and value.strip() else None


_JSON_BEGINS = (*'{["-0123456789', "true", "false", "null")
"""Whatever begins otherwise is no JSON: most texts are none, and what can't be read costs more than what can."""


def parsed(value: Any) -> Any:
    """What a JSON text says; whatever is none, or is broken off, as it is."""
    if not isinstance(value, str) or not value.startswith(_JSON_BEGINS):
        return value
    try:
        made = orjson.loads(value)
        orjson.dumps([[[[[[[[made]]]]]]]])  # orjson reads deeper nesting than it writes, and a message goes around it
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return value
    return made


def finish(value: Any) -> list[str] | None:
    """Finish reasons in the conventions' words, from one, a list, or the JSON text of either."""
    given = parsed(value)
    listed = given if isinstance(given, list) else [given]
    made = [FINISHES.get(one.strip().lower(), one.strip().lower()) for one in listed if text(one)]
    return made or None


def provider(value: Any) -> str | None:
    """A provider under the conventions' name; None where a framework is named, or nobody.

    The Vercel AI SDK's "openai.responses" or "anthropic.messages" name an API after the dot.
    """
    name = (text(value) or "").strip().lower()
    if not name or name in _FRAMEWORKS:
        return None
    while (known := _PROVIDERS.get(name)) is None and "." in name:  # "google.vertex.chat" is more than "google"
        name = name.rpartition(".")[0]
    return known or name


_MAKERS = (
    *((begin, "openai") for begin in ("gpt-", "chatgpt-", "o1", "o3", "o4-", "text-embedding-", "dall-e-", "davinci")),
    *((begin, "mistral_ai") for begin in ("mistral", "ministral", "magistral", "codestral", "pixtral")),
    *(("claude", "anthropic"), ("gemini", "gcp.gemini"), ("command-", "cohere"), ("grok-", "x_ai")),
    ("deepseek-", "deepseek"),
)
"""How a model's name begins, and who alone calls one so."""

_BEDROCK = frozenset(
    {"anthropic", "amazon", "meta", "mistral", "cohere", "ai21", "deepseek", "openai", "qwen", "writer", "stability"}
)
"""Whose models Bedrock names `vendor.model`, behind a region or not."""


def provider_of_model(model: Any) -> str | None:
    """Whose service a model's name says that it is: for those who write a framework as provider. None where it may be
    anybody's. Bedrock's ids and names with a provider before a slash say it outright.
    """
    name = (text(model) or "").strip().lower()
    first, slash, rest = name.partition("/")
    if name.startswith("arn:aws"):
        return "aws.bedrock"
    if slash and first in {"projects", "publishers", "models"}:
        return "gcp.gemini" if first == "models" else "gcp.vertex_ai"
    if slash and rest and (first in _PROVIDERS or first in _PLAIN_PROVIDERS):
        return provider(first)
    dotted = name.split(".", 2)
    if any(one in _BEDROCK for one in dotted[:-1]):
        return "aws.bedrock"
    return next((maker for begin, maker in _MAKERS if name.startswith(begin)), None)


def grouped(attributes: Mapping[str, Any], prefix: str) -> list[dict[str, Any]]:
    """`prefix0.a`, `prefix0.b.c`, `prefix1.a` … as one dict an index, in order: [{"a": …, "b.c": …}, {"a": …}].

    What is not an index is not looked at; a bare `prefix0` stands under the empty key.
    """
    groups: dict[int, dict[str, Any]] = {}
    for key, value in attributes.items():
        if key.startswith(prefix):
            index, _, rest = key[len(prefix) :].partition(".")
            if index.isdecimal() and len(index) < 7:
                groups.setdefault(int(index), {})[rest] = value
    return [groups[index] for index in sorted(groups)]


def items(value: Any) -> Iterator[Mapping[str, Any]]:
    """The mappings of a list, or of its JSON text."""
    given = parsed(value)
    if isinstance(given, Mapping):
        given = [given]
    if isinstance(given, Iterable) and not isinstance(given, str):
        yield from (one for one in given if isinstance(one, Mapping))


def raised(events: Iterable[Mapping[str, Any]]) -> str | None:
    """The type of the exception that a span ended with: the last among its events."""
    kinds = [one["attributes"].get("exception.type") for one in events if one["name"] == "exception"]
    return text(kinds[-1]) if kinds else None
