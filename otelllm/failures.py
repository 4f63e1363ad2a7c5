"""How a provider refused or failed, told from the SDK's own exception: what retries, fallbacks and limits go by."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from time import time
from typing import Any

from .attempt import Failure, FailureKind
from .fields import field
from .http_clients import is_timeout
from .spec import Provider

__all__ = ["failure_of", "headers_of", "retry_after_s"]

_CONNECTION = re.compile(
    r"Connect|RemoteProtocol|ReadError|WriteError|NetworkError|ServerDisconnected|ClientPayloadError"
    r"|urllib3\.exceptions\.ProtocolError"  # httpx has one of this name, too, for what a client does wrong
)
# Words of the providers' error codes and messages; a code says it surely, a message where there is none.
_TOO_LONG = re.compile(
    r"context_length|context length|context window|prompt is too long|too many (?:input )?tokens|input is too long"
    r"|exceeds the maximum number of tokens",
    re.IGNORECASE,
)
_POLICY = re.compile(r"content_filter|content_policy|content management policy|ResponsibleAI|safety", re.IGNORECASE)
_SPENT = re.compile(
    r"insufficient_quota|billing|credit balance|spend(?:ing)? (?:cap|limit)|exceeded your current quota", re.IGNORECASE
)
# A stream that fails in its beginning has no status of its own: the provider's word says what it is.
_BUSY = re.compile(r"rate_?limit|too_?many_?requests|resource_?exhausted|throttl", re.IGNORECASE)
_SLOW = re.compile(r"time_?d?_?out|deadline_?exceeded", re.IGNORECASE)
_REFUSED = re.compile(r"invalid|not_?found|permission|authentication|unauthorized|forbidden|validation", re.IGNORECASE)
_DELAY = re.compile(r"(\d+(?:\.\d+)?)s")
_LONGEST = 2_000
"""Characters of an error's text that are looked through."""


def failure_of(provider: Provider | None, error: BaseException) -> Failure:
    """What `error`, raised by the SDK of `provider`, says. A provider's file knows better where it has `failure`.

    `provider` is None where it is not at hand.
    """
    own = getattr(provider, "failure", None)
    if own is not None and (found := own(error)) is not None:
        return found  # type: ignore[no-any-return]  # an optional method of the protocol
    status, headers = _status(error), headers_of(error)
    wait_s = retry_after_s(headers)
    wait_s = _retry_info_s(error) if wait_s is None else wait_s
    word = headers.get("x-should-retry")
    return Failure(
        _kind(error, status, wait_s),
        status,
        wait_s,
        None if word not in {"true", "false"} else word == "true",
    )


def _kind(error: BaseException, status: int | None, wait_s: float | None) -> FailureKind:
    if is_timeout(error) or isinstance(error, TimeoutError) or status in {408, 504}:
        return "timeout"
    if status is None and (
        isinstance(error, ConnectionError)
        or any(_CONNECTION.search(f"{one.__module__}.{one.__name__}") for one in type(error).__mro__)
    ):
        return "connection"
    if status is not None and status >= 500:
        return "5xx"
    said = f"{_code(error)} {str(error)[:_LONGEST]}"
    if status is None or status < 400:
        return _kind_in_stream(error, said)
    # Google says "quota" and "billing" of its limits a minute, too, and when to come again.
    if status == 402 or "insufficient_quota" in said or (wait_s is None and _SPENT.search(said)):
        return "spend_cap"
    if status == 429:
        return "429"
    if _TOO_LONG.search(said):
        return "context_length"
    return "content_policy" if _POLICY.search(said) else "other"


def _kind_in_stream(error: BaseException, said: str) -> FailureKind:
    """Of an error that came as an event of an answer of success; any other exception is no failure of the provider."""
    is_ollamas = getattr(error, "status_code", None) == -1
    if getattr(error, "body", None) is None and not isinstance(_of_botocore(error), Mapping) and not is_ollamas:
        return "other"
    if "ResponseValidation" in type(error).__name__:
        return "other"
    for pattern, kind in _WORDS:
        if pattern.search(said):
            return kind
    # Overloaded, an internal error, or one that says nothing.
    return "other" if _REFUSED.search(_code(error)) else "5xx"


_WORDS: tuple[tuple[re.Pattern[str], FailureKind], ...] = (
    (_SPENT, "spend_cap"), (_TOO_LONG, "context_length"), (_POLICY, "content_policy"), (_BUSY, "429"),
    (_SLOW, "timeout"),
)  # fmt: skip


def _code(error: BaseException) -> str:
    body = getattr(error, "body", None)
    inner = field(body, "error") or body
    found = (
        _named(error), getattr(error, "type", None), field(inner, "code"), field(inner, "type"),
        field(_of_botocore(error), "Code"),
    )  # fmt: skip
    return " ".join(str(word) for word in found if isinstance(word, str))


def _of_botocore(error: BaseException) -> Any:
    """What botocore's exceptions say, of an event of a stream too; None of others."""
    response = getattr(error, "response", None)
    return response.get("Error") if isinstance(response, Mapping) else None


def _named(error: BaseException) -> object:
    """The error's own code; a websocket's is none of HTTP's, and asking for it is deprecated."""
    return None if type(error).__name__.startswith("ConnectionClosed") else getattr(error, "code", None)


def _status(error: BaseException) -> int | None:
    """The first that says an error; where an event said it, an answer's own is one of success."""
    response = getattr(error, "response", None)
    said = (
        getattr(error, "status_code", None),
        getattr(response, "status_code", None),
        field(field(response, "ResponseMetadata"), "HTTPStatusCode"),  # botocore's
        _named(error),
    )
    found = [one for one in said if isinstance(one, int) and not isinstance(one, bool) and 100 <= one < 600]
    return next((one for one in found if one >= 400), found[0] if found else None)


def headers_of(error: BaseException) -> Mapping[str, str]:
    """The headers of the response that an SDK's exception carries; empty where it carries none."""
    response = getattr(error, "response", None)
    for found in (
        getattr(response, "headers", None),
        field(field(response, "ResponseMetadata"), "HTTPHeaders"),
        getattr(error, "headers", None),
    ):
        if isinstance(found, Mapping):
            return found
    return {}


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """How long a response asks to wait: `retry-after-ms`, or `retry-after` in seconds or as an HTTP date (RFC 9110)."""
    if (ms := _number(headers.get("retry-after-ms"))) is not None:
        return ms / 1000
    said = headers.get("retry-after")
    if said is None or (seconds := _number(said)) is not None:
        return None if said is None else seconds
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - time())
    except ValueError:
        return None


def _retry_info_s(error: BaseException) -> float | None:
    """Google's way: a `google.rpc.RetryInfo` among the details in an error's body, its delay as "34.07s"."""
    for body in (getattr(error, "details", None), getattr(error, "body", None)):
        one = body[0] if isinstance(body, list) and body else body
        details = field(field(one, "error") or one, "details")
        for detail in details if isinstance(details, list) else ():
            said = _DELAY.fullmatch(str(field(detail, "retryDelay") or ""))
            if said is not None:
                return float(said[1])
    return None


def _number(said: Any) -> float | None:
    try:
        found = float(said)
    except (TypeError, ValueError):
        return None
    return found if 0 <= found < float("inf") else None
