"""OTLP by HTTP: https://opentelemetry.io/docs/specs/otlp/#otlphttp"""

from __future__ import annotations

import gzip
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import httpx
import orjson
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # protobuf publishes no types

from ..decode.wire import RESPONSES
from .otlp_json import as_json
from .settings import Destination
from .spec import Delivered, Later, Outcome, Refused

__all__ = ["HttpSender"]

_AGAIN = frozenset({429, 502, 503, 504})
"""The statuses that OTLP lets clients try again."""
_TEXT_SHOWN = 200


class HttpSender:
    """One backend's HTTP address."""

    def __init__(self, to: Destination) -> None:
        self._to = to
        self._is_json = to.protocol == "http/json"
        self._client = httpx.Client(timeout=to.timeout_s, headers={"user-agent": "otelllm-collector", **to.headers})

    def send(self, signal: str, body: bytes) -> Outcome:
        """POST it; a redirect is no answer that OTLP knows."""
        try:
            content = as_json(signal, body) if self._is_json else body
            headers = {"content-type": "application/json" if self._is_json else "application/x-protobuf"}
            if self._to.compression == "gzip":
                content, headers["content-encoding"] = gzip.compress(content, 6), "gzip"
            answer = self._client.post(self._to.endpoint + self._to.paths[signal], content=content, headers=headers)
        except httpx.HTTPError as error:
            return Later(type(error).__name__)
        # An answer and its stream hold each other, and what was sent: the collector of cycles comes seldom here.
        answer.stream = httpx.ByteStream(b"")
        if answer.is_success:
            return self._delivered(signal, answer)
        reason = f"HTTP {answer.status_code}: {answer.text[:_TEXT_SHOWN]}"
        if answer.status_code in _AGAIN:
            return Later(reason, _retry_after_s(answer.headers))
        return Refused(reason)

    def _delivered(self, signal: str, answer: httpx.Response) -> Delivered:
        kind, count, json_count = RESPONSES[signal]
        try:
            if "json" in answer.headers.get("content-type", ""):
                partial = orjson.loads(answer.content or b"{}").get("partialSuccess") or {}
                return Delivered(int(partial.get(json_count) or 0), str(partial.get("errorMessage") or ""))
            partial = kind.FromString(answer.content).partial_success
            return Delivered(int(getattr(partial, count)), partial.error_message)
        except (DecodeError, ValueError, AttributeError, TypeError):
            return Delivered()  # a success in words of its own

    def close(self) -> None:
        """Let connections go."""
        self._client.close()


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After, which is a number or a date: by the clock of who set it, for ours may be a year off."""
    value = headers.get("retry-after")
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        told = headers.get("date")
        now_s = parsedate_to_datetime(told).timestamp() if told else time.time()
        return max(0.0, parsedate_to_datetime(value).timestamp() - now_s)
    except ValueError:
        return None
