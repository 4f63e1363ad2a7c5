"""Which answers may be given again: whole ones, that the provider finished as it should, and that did nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...call import Call
from ...estimate import OF_TEXT

__all__ = ["does_more", "is_refusal", "unfit"]

_FINISHED = {"stop", "tool_call"}
# A refusal that ends as if it were an answer; tools that the provider ran itself. A text that happens to hold one of
# these is not kept either: that costs a request, not a wrong answer.
# Each begins with a fixed text: that is found ten times as fast as one of several.
_REFUSED = re.compile(rb'"refusal"\s*:\s*"')
_OF_A_KIND = re.compile(
    rb'"type"\s*:\s*"(?:refusal|response\.refusal|server_tool_use|mcp_tool_use|mcp_call|mcp_approval_request'
    rb"|code_interpreter_call|web_search_call|file_search_call|image_generation_call|shell_call|computer_call)"
)
_SERVER_TOOL = "server_tool."
_LASTING = ("store", "conversation", "background")
_ABSENT = {"Omit", "NotGiven"}


def unfit(call: Call) -> bool:
    """Whether the call has ended in a way that is not to be given again: its answer need not be looked at."""
    reading = call.reading
    if call.error is not None or reading.error_type or call.verdict == "block":
        return True
    if call.request.stream and call.ending != "complete":
        return True
    if call.operation in OF_TEXT and (not reading.finish_reasons or not _FINISHED.issuperset(reading.finish_reasons)):
        return True
    other = reading.usage.other if reading.usage is not None else None
    return any(name.startswith(_SERVER_TOOL) and count for name, count in (other or {}).items())


def is_refusal(body: bytes) -> bool:
    """Whether an answer that ended well says no, or tells of tools that the provider ran."""
    return _REFUSED.search(body) is not None or _OF_A_KIND.search(body) is not None


def does_more(kwargs: Mapping[str, Any]) -> str | None:
    """The argument by which a request also leaves something behind, which a stored answer would not; or None."""
    return next(
        (name for name in _LASTING if (value := kwargs.get(name)) and type(value).__name__ not in _ABSENT), None
    )
