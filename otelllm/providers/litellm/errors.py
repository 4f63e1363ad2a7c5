"""LiteLLM's errors: each is made of the SDK's or the HTTP library's, and says a status where the provider said none."""

from __future__ import annotations

from collections.abc import Iterator

from ...fields import field
from ...http_clients import is_timeout

__all__ = ["type_of"]

_CAUSES = 6
"""How far down the errors that an error was made of are looked through for the provider's word."""
_PUBLIC = "litellm.exceptions"


def type_of(error: BaseException) -> str | None:
    """The provider's code, else its HTTP status; timeout; None where only the class says anything."""
    status = None
    for one in _made_of(error):
        if is_timeout(one):
            return "timeout"
        if (code := _code(one)) is not None:
            return code
        kinds = [kind.__name__ for kind in type(one).__mro__]
        is_theirs = type(one).__module__.startswith("litellm.") and "HTTPStatusError" not in kinds
        if "TransportError" in kinds or kinds[0].endswith(("ConnectError", "ConnectionError")):
            status = None  # there was no answer; LiteLLM gives it the status 500
            if is_theirs:
                continue
            break
        said = getattr(one, "status_code", None) or getattr(getattr(one, "response", None), "status_code", None)
        if isinstance(said, int):
            # The innermost one's: LiteLLM has no class for some, and writes its own class's number over a 529.
            status = said
            if not is_theirs:
                break
    return None if status is None else str(status)


def _made_of(error: BaseException) -> Iterator[BaseException]:
    """The error, and what it was made of, as far as that is of one attempt: LiteLLM raises the next one's error while
    it handles the one before. What a broken stream raises is left out: its 503 is nobody's.
    """
    one: BaseException | None = error
    has_status = False
    for _ in range(_CAUSES):
        if one is None:
            return
        inner = getattr(one, "original_exception", None)
        if inner is None:
            is_public = type(one).__module__ == _PUBLIC
            if is_public and has_status:
                return
            has_status = has_status or (is_public and not type(one).__name__.endswith("ConnectionError"))
            yield one
        one = inner or one.__cause__ or one.__context__


def _code(error: BaseException) -> str | None:
    body = getattr(error, "body", None)
    for code in (getattr(error, "code", None), field(field(body, "error") or body, "code")):
        if isinstance(code, str) and code and not code.isdecimal():
            return code
    return None
