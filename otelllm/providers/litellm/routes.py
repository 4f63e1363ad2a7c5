"""Whose service a call of LiteLLM's goes to: the model's prefix says it, or its own table of models, or the answer."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ...fields import plain
from ...hosts import endpoint_of
from ...spec import Endpoint

__all__ = ["name_of", "server_of", "split", "where"]

# LiteLLM's word -> gen_ai.provider.name, where they differ.
_NAMES = {
    "azure": "azure.ai.openai", "azure_text": "azure.ai.openai", "azure_ai": "azure.ai.inference",
    "bedrock": "aws.bedrock", "bedrock_converse": "aws.bedrock", "bedrock_mantle": "aws.bedrock",
    "gemini": "gcp.gemini", "mistral": "mistral_ai", "codestral": "mistral_ai",
    "text-completion-codestral": "mistral_ai", "text-completion-openai": "openai", "custom_openai": "openai",
    "openai_like": "openai", "anthropic_text": "anthropic", "cohere_chat": "cohere", "ollama_chat": "ollama",
    "xai": "x_ai", "watsonx": "ibm.watsonx.ai", "watsonx_text": "ibm.watsonx.ai", "moonshot": "moonshot_ai",
    "huggingface": "hugging_face", "nvidia_nim": "nvidia", "dashscope": "alibaba_cloud",
}  # fmt: skip
_UNKNOWN = "litellm"
"""Nobody has said yet where it goes: the answer will."""


def name_of(theirs: str) -> str:
    """The conventions' name of a provider of LiteLLM's."""
    return "gcp.vertex_ai" if theirs.startswith("vertex_ai") else _NAMES.get(theirs, theirs)


@lru_cache(maxsize=1)
def _providers() -> frozenset[str]:
    return frozenset(str(getattr(one, "value", one)) for one in sys.modules["litellm"].LlmProviders)


def split(model: str, provider: str | None) -> tuple[str, str | None]:
    """The model's own name, and LiteLLM's word for its provider: `groq/llama-3.3-70b` is one of groq's."""
    head, slash, rest = model.partition("/")
    if slash and (head == provider or (provider is None and head in _providers())):
        return rest, head
    if provider is None:
        known = getattr(sys.modules["litellm"], "model_cost", {}).get(model)
        provider = plain(known.get("litellm_provider")) if isinstance(known, Mapping) else None
    return model, provider


def where(kwargs: Mapping[str, Any]) -> tuple[str | None, Endpoint]:
    """The model's own name, and where it is, as far as the arguments tell."""
    asked = plain(kwargs.get("model"))
    model, theirs = split(asked, plain(kwargs.get("custom_llm_provider"))) if asked else (None, None)
    owner = name_of(theirs) if theirs else _UNKNOWN
    base = plain(kwargs.get("api_base")) or plain(kwargs.get("base_url"))
    if base is None:
        return model, Endpoint(owner, None, None)
    found = endpoint_of(base, owner)
    # What the app names is whose it is; its host only says where: a gateway's, a cloud's.
    return model, found._replace(provider=owner) if theirs not in {None, "openai"} else found


def server_of(base: object) -> tuple[str, int | None] | None:
    """Host and port of the base URL that LiteLLM says it used."""
    if not isinstance(base, str) or not base:
        return None
    found = endpoint_of(base, _UNKNOWN)
    return (found.address, found.port) if found.address else None
