"""What the SDKs made by Stainless (openai, anthropic and more) share in what they take and give back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .call import Reading
from .fields import field

__all__ = ["given", "merged", "plain", "read_error_body"]


def given(value: Any) -> bool:
    """Whether the app set it: the SDK's own sentinels (Omit, NotGiven; older versions NOT_GIVEN) and None are not."""
    return value is not None and type(value).__name__ not in {"Omit", "NotGiven"}


def plain(value: Any) -> str | None:
    """`value` where it is a text with something in it."""
    return value if isinstance(value, str) and value else None


def merged(kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
    """The body's parameters as they will be sent: `extra_body` overrides them."""
    extra = kwargs.get("extra_body")
    return {**kwargs, **extra} if isinstance(extra, Mapping) and extra else kwargs


def read_error_body(reading: Reading, body: Any) -> None:
    """An error inside an answer of success, as gateways send it."""
    error = getattr(body, "error", None)
    if error is None:
        return
    if isinstance(error, str):
        reading.error_type, reading.error_message = "error", error
        return
    reading.error_type = str(field(error, "code") or field(error, "type") or "error")
    reading.error_message = plain(field(error, "message"))
