"""The together SDK: chat, completions, embeddings, rerank, images, speech and transcriptions."""

from __future__ import annotations

from ...openai_format.chat import Chat
from ...openai_format.completions import COMPLETIONS
from ...openai_format.embeddings import EMBEDDINGS
from ...openai_format.images import IMAGES
from ...openai_format.speech import SPEECH
from ...openai_format.transcriptions import TRANSCRIPTIONS
from ...stainless import Stainless, pair, responses_of
from .rerank import RERANK

__all__ = ["PROVIDER"]

_AUDIO = "together.resources.audio"


class _Together(Stainless):
    name = "together"
    package = "together"
    owner = "together_ai"
    oldest = "2.0"
    newest = "3.1"
    methods = (
        *pair("together.resources.chat.completions", "CompletionsResource.create", Chat(api_type=None)),
        *pair("together.resources.completions", "CompletionsResource.create", COMPLETIONS),
        *pair("together.resources.embeddings", "EmbeddingsResource.create", EMBEDDINGS),
        *pair("together.resources.rerank", "RerankResource.create", RERANK),
        *pair("together.resources.images", "ImagesResource.generate", IMAGES),
        *pair(f"{_AUDIO}.speech", "SpeechResource.create", SPEECH),
        *pair(f"{_AUDIO}.transcriptions", "TranscriptionsResource.create", TRANSCRIPTIONS),
        *pair(f"{_AUDIO}.translations", "TranslationsResource.create", TRANSCRIPTIONS),
    )
    answers = responses_of("together")
    parse_hooks = ("together._response:BaseAPIResponse._parse",)


PROVIDER = _Together()
