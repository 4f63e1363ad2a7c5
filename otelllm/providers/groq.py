"""The groq SDK: chat completions and embeddings, sync and async, whole and streamed."""

from __future__ import annotations

from typing import Any

from ..hosts import endpoint_of
from ..openai_format.chat import Chat
from ..openai_format.embeddings import EMBEDDINGS
from ..spec import Endpoint
from ..stainless import Stainless, pair

__all__ = ["PROVIDER"]


class _Groq(Stainless):
    name = "groq"
    package = "groq"
    oldest = "0.9"
    methods = (
        *pair("groq.resources.chat.completions", "Completions.create", Chat(api_type=None)),
        *pair("groq.resources.embeddings", "Embeddings.create", EMBEDDINGS),
    )
    parse_hooks = ("groq._response:BaseAPIResponse._parse",)

    def endpoint(self, instance: Any) -> Endpoint:
        return endpoint_of(str(instance._client.base_url), "groq")


PROVIDER = _Groq()
