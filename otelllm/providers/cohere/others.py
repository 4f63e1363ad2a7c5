"""What makes no text and no vectors: parsing documents, and the older classifier; billed by pages, by inputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ... import semconv
from ...call import Part, Reading, Request
from ...fields import field, members, plain
from ...openai_format.messages import content_parts
from ...parts import as_list, text
from ...whole import Whole
from .chat import read_finish
from .parameters import asked, read_common
from .usage import read_usage

__all__ = ["CLASSIFY", "PARSE"]


class _Other(Whole):
    operation: str

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        return read_common(asked(kwargs))

    def read_input(self, request: Request, kwargs: Mapping[str, Any]) -> None:
        parts = self.asked_parts(asked(kwargs))
        request.messages = [{"role": "user", "parts": parts}] if parts else None

    def read_response(self, reading: Reading, body: Any, captures: bool) -> None:
        said = members(body)
        reading.id = plain(said.get("id"))
        read_usage(reading, said.get("meta"))
        read_finish(reading, said.get("finish_reason"))
        if captures and (parts := self.answered_parts(said)):
            reading.messages.append({"role": "assistant", "parts": parts})

    def asked_parts(self, given: Mapping[str, Any]) -> list[Part]:
        raise NotImplementedError

    def answered_parts(self, said: Mapping[str, Any]) -> list[Part]:
        raise NotImplementedError


class _Classify(_Other):
    operation = semconv.CLASSIFY

    def asked_parts(self, given: Mapping[str, Any]) -> list[Part]:
        return [text(one) for one in as_list(given.get("inputs")) if isinstance(one, str)]

    def answered_parts(self, said: Mapping[str, Any]) -> list[Part]:
        found = [field(one, "prediction") for one in as_list(said.get("classifications"))]
        return [text(one) for one in found if isinstance(one, str)]


class _Parse(_Other):
    operation = semconv.PARSE

    def asked_parts(self, given: Mapping[str, Any]) -> list[Part]:
        document = given.get("document")
        return content_parts([document]) if document is not None else []

    def answered_parts(self, said: Mapping[str, Any]) -> list[Part]:
        return [text(_page_text(page)) for page in as_list(said.get("pages"))]


def _page_text(page: Any) -> str:
    """A page's Markdown, or what its blocks say: texts, tables as HTML, descriptions of pictures."""
    pieces = [field(field(page, "markdown"), "content")]
    for block in as_list(field(page, "blocks")):
        inner = field(block, str(field(block, "type")))
        pieces += [field(inner, name) for name in ("content", "html", "description")]
    return "\n".join(piece for piece in pieces if isinstance(piece, str) and piece)


CLASSIFY = _Classify()
PARSE = _Parse()
