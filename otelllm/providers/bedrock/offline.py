"""A client that answers by itself, in botocore's own types: the service's event `before-call` may answer in its place.

It is what botocore's Stubber uses. The answer's bytes go through botocore's own parser; nothing is signed or sent.
"""

from __future__ import annotations

import io
from copy import copy
from importlib import import_module
from typing import Any

from .metadata import STATIC_ID

__all__ = ["answering"]


def answering(client: Any, body: bytes) -> Any:
    """A client like `client` whose next calls get `body`."""
    package = (
        "aiobotocore" if any(kind.__module__.startswith("aiobotocore") for kind in type(client).__mro__) else "botocore"
    )
    meta = copy(client.meta)
    meta.events = copy(meta.events)
    service = meta.service_model.service_id.hyphenize()
    meta.events.register_first(
        f"before-call.{service}", _handler_async(body) if package == "aiobotocore" else _handler(body)
    )
    # Not copy(): a client's __getattr__ asks itself for what a half-made one has not got.
    twin = object.__new__(type(client))
    twin.__dict__.update(client.__dict__, meta=meta)
    return twin


def _headers(model: Any, body: bytes) -> dict[str, str]:
    kind = "application/vnd.amazon.eventstream" if model.has_event_stream_output else "application/json"
    return {"content-type": kind, "content-length": str(len(body)), "x-amzn-requestid": STATIC_ID}


def _parser(package: str, model: Any) -> Any:
    service = model.service_model
    protocol = getattr(service, "resolved_protocol", None) or service.metadata["protocol"]
    return import_module(f"{package}.parsers").create_parser(protocol)


def _handler(body: bytes) -> Any:
    def answer(model: Any, **_: Any) -> Any:
        headers = _headers(model, body)
        raw = import_module("urllib3").HTTPResponse(io.BytesIO(body), headers, 200, preload_content=False)
        http = import_module("botocore.awsrequest").AWSResponse("", 200, headers, raw)
        read = import_module("botocore.endpoint").convert_to_response_dict(http, model)
        return http, _parser("botocore", model).parse(read, model.output_shape)

    return answer


def _handler_async(body: bytes) -> Any:
    async def answer(model: Any, **_: Any) -> Any:
        headers = _headers(model, body)
        http = import_module("aiobotocore.awsrequest").AioAWSResponse("", 200, headers, _Raw(body, headers))
        read = await import_module("aiobotocore.endpoint").convert_to_response_dict(http, model)
        parsed = _parser("aiobotocore", model).parse(read, model.output_shape)
        return http, await parsed if hasattr(parsed, "__await__") else parsed

    return answer


class _Content(io.BytesIO):
    """Stands in for the content of aiohttp's response."""

    def at_eof(self) -> bool:
        return self.tell() == len(self.getbuffer())

    async def read(self, size: int = -1) -> bytes:  # type: ignore[override]
        return super().read(size)

    async def iter_chunks(self) -> Any:
        yield super().read(), True


class _Raw:
    """Stands in for aiohttp's response, which there is only of a connection."""

    url = ""
    status = 200

    def __init__(self, body: bytes, headers: dict[str, str]) -> None:
        self.content = _Content(body)
        self.headers = headers
        self.raw_headers = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def __aenter__(self) -> Any:
        return self

    async def __aexit__(self, *_: Any) -> None:
        self.close()

    async def read(self) -> bytes:
        return await self.content.read()

    def close(self) -> None:
        self.content.close()
