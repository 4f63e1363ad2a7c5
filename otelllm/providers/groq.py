"""The groq SDK: chat, embeddings, speech, transcriptions and batches; what is Groq's own is read with its format."""

from __future__ import annotations

from ..openai_format.batches import BATCHES
from ..openai_format.chat import Chat
from ..openai_format.embeddings import EMBEDDINGS
from ..openai_format.speech import SPEECH
from ..openai_format.transcriptions import TRANSCRIPTIONS
from ..stainless import Stainless, pair, responses_of

__all__ = ["PROVIDER"]

_AUDIO = "groq.resources.audio"


class _Groq(Stainless):
    name = "groq"
    package = owner = "groq"
    oldest = "0.9"
    newest = "1.7"
    methods = (
        *pair("groq.resources.chat.completions", "Completions.create", Chat(api_type=None)),
        *pair("groq.resources.embeddings", "Embeddings.create", EMBEDDINGS),
        *pair(f"{_AUDIO}.speech", "Speech.create", SPEECH, optional=True),
        *pair(f"{_AUDIO}.transcriptions", "Transcriptions.create", TRANSCRIPTIONS),
        *pair(f"{_AUDIO}.translations", "Translations.create", TRANSCRIPTIONS),
        *pair("groq.resources.batches", "Batches.create", BATCHES, optional=True),
        *pair("groq.resources.batches", "Batches.retrieve", BATCHES, optional=True),
    )
    answers = responses_of("groq")
    parse_hooks = ("groq._response:BaseAPIResponse._parse",)


PROVIDER = _Groq()
