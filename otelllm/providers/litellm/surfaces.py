"""LiteLLM's surfaces: OpenAI's format whoever answers, and what LiteLLM says beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ... import semconv
from ...call import Call, Reading, Request
from ...fields import field, fields, plain
from ...openai_format.chat import Chat, read_attributes
from ...openai_format.completions import Completions
from ...openai_format.embeddings import Embeddings
from ...openai_format.responses import Responses
from ...parts import as_list
from ...reranking import read_asked, read_given, read_order
from ...spec import Delta
from ...whole import Whole
from .answers import as_cached, document_usage, hidden, own_id, read_about, read_cost, usage_of

__all__ = ["CHAT", "EMBEDDINGS", "RERANK", "RESPONSES", "TEXT", "ended", "mocked"]


class _LiteLLM:
    """Around a surface of OpenAI's format."""

    is_mock = False
    """The app gave the answer itself (`mock_response`), and LiteLLM makes up a usage for it."""

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        request: Request = super().read_request(kwargs)  # type: ignore[misc]
        if session := plain(kwargs.get("litellm_session_id")):
            request.attributes[semconv.CONVERSATION_ID] = session
        if self.is_mock:
            request.input_chars = None
        return request

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        super().read_response(reading, body, captures)  # type: ignore[misc]
        self.settle(reading, getattr(body, "usage", None))
        about = hidden(body)
        read_about(reading, about)
        if reading.usage is not None:
            read_cost(reading, about.get("response_cost"))

    def settle(self, reading: Reading, usage: Any) -> None:
        """The usage that the provider gave, in place of what was read so far."""
        counted = reading.usage.other if reading.usage is not None else None
        reading.usage = None if self.is_mock else usage_of(usage)
        if counted and reading.usage is not None:
            reading.usage.other = {**counted, **(reading.usage.other or {})}

    def fold_chunk(self, reading: Reading, chunk: Any, captures: bool) -> Delta:
        known = reading.model
        delta: Delta = super().fold_chunk(reading, chunk, captures)  # type: ignore[misc]
        # A chunk names the model that was asked for; beside it stands the one that answers.
        reading.model = known or plain(hidden(chunk).get("provider_response_model")) or reading.model
        if reading.usage is not None and not (reading.usage.input or reading.usage.output):
            reading.usage = None  # zeros are in every chunk of a text completion
        return delta

    def finish(self, reading: Reading, captures: bool) -> None:
        super().finish(reading, captures)  # type: ignore[misc]
        if self.is_mock:
            reading.usage, reading.output_chars = None, 0
        if reading.cost is not None and reading.cost.status == "cached":
            as_cached(reading)
            reading.output_chars = 0


class _Chat(_LiteLLM, Chat):
    pass


class _Text(_LiteLLM, Completions):
    pass


class _Responses(_LiteLLM, Responses):
    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        request = super().read_request(kwargs)
        if previous := own_id(kwargs.get("previous_response_id")):
            request.attributes[semconv.REQUEST_PREVIOUS_RESPONSE_ID] = previous
        return request

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        is_plain = any(isinstance(one, dict) for one in as_list(getattr(body, "output", None)))
        super().read_response(reading, fields(body.model_dump()) if is_plain else body, captures)
        if is_plain:
            read_about(reading, about := hidden(body))
            read_cost(reading, about.get("response_cost"))
        reading.id = own_id(reading.id)

    def fold_chunk(self, reading: Reading, chunk: Any, captures: bool) -> Delta:
        delta: Delta = Responses.fold_chunk(self, reading, chunk, captures)
        reading.id = own_id(reading.id)
        return delta


class _Embeddings(_LiteLLM, Embeddings):
    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        super().read_response(reading, body, captures)
        if reading.usage is not None:
            reading.usage.output = None
        data = as_list(getattr(body, "data", None))
        vector = field(data[0], "embedding") if data else None
        if isinstance(vector, list):
            reading.attributes[semconv.EMBEDDINGS_DIMENSIONS] = len(vector)


class _Rerank(Whole):
    operation = semconv.RERANK

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        request = Request(model=plain(kwargs.get("model")))
        read_asked(request, kwargs)
        return request

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        read_given(request, kwargs)

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        read_attributes(reading, body)
        read_order(reading, getattr(body, "results", None), captures)
        reading.usage = document_usage(getattr(body, "meta", None))
        about = hidden(body)
        read_about(reading, about)
        if reading.usage is not None:
            read_cost(reading, about.get("response_cost"))


CHAT = _Chat(api_type=None)
TEXT = _Text()
RESPONSES = _Responses(api_type=None)
EMBEDDINGS = _Embeddings()
RERANK = _Rerank()


def mocked(surface: Any) -> Any:
    """`surface`, for a call whose answer the app gives itself."""
    return _MOCKED.get(id(surface), surface)


def _mock(made: Any) -> Any:
    made.is_mock = True
    return made


_MOCKED: dict[int, Any] = {
    id(CHAT): _mock(_Chat(api_type=None)),
    id(TEXT): _mock(_Text()),
    id(RESPONSES): _mock(_Responses(api_type=None)),
    id(EMBEDDINGS): _mock(_Embeddings()),
}


def ended(surface: Any, call: Call, stream: Any, last: Any) -> None:
    """A stream was read to its end: what only then is known. `stream` is the one that has a record of all chunks,
    `last` the last chunk that the app got.
    """
    reading = call.reading
    chunks = getattr(stream, "chunks", None)
    if not isinstance(chunks, list) or not isinstance(surface, _LiteLLM):
        return  # an event of the Responses or the Messages API has said it all
    if _is_cut(surface, call, stream):
        surface.finish(reading, call.captures)
        reading.finish_reasons, reading.own_finish_reasons = [], []
        reading.unfinished = True
        return
    # Usage is kept from the app that did not ask for it, but stands in the stream's own record. Where the provider
    # gave none, LiteLLM counts by itself: that is no fact, and ours learns from facts.
    is_told = any(getattr(chunk, "usage", None) is not None for chunk in chunks)
    ends = (last, *chunks[-1:]) if is_told else ()
    told = (one for end in ends for one in (getattr(end, "usage", None), hidden(end).get("usage")))
    usage = next((one for one in told if usage_of(one) is not None), None)
    about = hidden(chunks[-1]) if chunks else {}
    surface.settle(reading, usage)
    reading.model = plain(about.get("provider_response_model")) or reading.model
    if reading.usage is not None:
        read_cost(reading, field(usage, "cost"))


def _is_cut(surface: _LiteLLM, call: Call, stream: Any) -> bool:
    """Whether the provider's last word is missing, a reason why it finished, or usage: LiteLLM makes up the reason
    "stop". (So it does where no provider answers: in a mock of the app's, of ours, or its cache.)
    """
    if surface.is_mock or call.verdict == "block" or call.reading.cost is not None:
        return False
    reasons = [getattr(stream, name, "") for name in ("received_finish_reason", "intermittent_finish_reason")]
    is_told = bool(stream.chunks) and getattr(stream.chunks[-1], "usage", None) is not None
    return reasons == [None, None] and not is_told
