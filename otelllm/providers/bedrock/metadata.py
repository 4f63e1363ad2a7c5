"""What botocore says of every answer beside its body, and of every error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ... import semconv
from ...call import Reading
from ...fields import field, plain

__all__ = ["STATIC_ID", "error_type", "forget_static", "headers_of", "read_answered"]

STATIC_ID = "otelllm"
"""The request id of a static answer: its types want counts, but nothing was used."""


def headers_of(response: Any) -> Mapping[str, str]:
    """The HTTP headers of an answer, their names in lower case."""
    found = field(field(response, "ResponseMetadata"), "HTTPHeaders")
    return found if isinstance(found, Mapping) else {}


def read_answered(reading: Reading, response: Any) -> None:
    """The request id, and how often botocore itself asked."""
    metadata = field(response, "ResponseMetadata")
    reading.request_id = plain(field(metadata, "RequestId")) or reading.request_id
    retries = field(metadata, "RetryAttempts")
    if isinstance(retries, int) and retries > 0:
        reading.attributes[semconv.ATTEMPTS] = retries + 1


def forget_static(reading: Reading) -> None:
    """Of a static answer, what is there for its types alone."""
    if reading.request_id == STATIC_ID:
        reading.request_id = reading.usage = None


def error_type(error: BaseException) -> str | None:
    """The service's own code (ThrottlingException; throttlingException inside a stream), else its HTTP status."""
    if any(kind.__name__ in _TIMEOUTS for kind in type(error).__mro__):
        return "timeout"
    response = getattr(error, "response", None)
    if not isinstance(response, Mapping):
        return None  # a response of an HTTP library
    if code := plain(field(field(response, "Error"), "Code")):
        return code
    status = field(field(response, "ResponseMetadata"), "HTTPStatusCode")
    return str(status) if isinstance(status, int) else None


_TIMEOUTS = {"ReadTimeoutError", "ConnectTimeoutError", "TimeoutException"}
"""Of botocore, urllib3 (inside streams) and httpx."""
