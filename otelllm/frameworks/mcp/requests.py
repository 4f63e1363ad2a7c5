"""What a request says of itself, and what its answer or error says: the same for both sides."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter_ns
from typing import Any, NamedTuple

from ... import emit, semconv
from ...call import Value
from ...fields import field
from ...runs import Run
from ...safely import safely

__all__ = ["TOOL_CALL", "About", "about", "ended", "measured", "write_arguments", "write_result"]

TOOL_CALL = "tools/call"

_PROMPT_GET = "prompts/get"
_INVALID_PARAMS = "-32602"
_PROTOCOL_KEY = "io.modelcontextprotocol/protocolVersion"
_MEASURED = (
    semconv.MCP_METHOD, semconv.OPERATION, semconv.TOOL_NAME, semconv.PROMPT_NAME, semconv.MCP_PROTOCOL,
    semconv.NETWORK_TRANSPORT, semconv.NETWORK_PROTOCOL, semconv.SERVER_ADDRESS, semconv.SERVER_PORT,
    semconv.ERROR_TYPE, semconv.RPC_STATUS,
)  # fmt: skip
"""Attributes that metrics have: none that is another for each session or request."""


class About(NamedTuple):
    """What a request is."""

    span_name: str
    target: str
    """The tool's or the prompt's name."""
    facts: dict[str, Value]


def about(method: str, params: Any, request_id: Any = None) -> About:
    """From a request's method and its params as they are on the wire (a mapping, or None)."""
    params = params if isinstance(params, Mapping) else {}
    facts: dict[str, Value] = {semconv.MCP_METHOD: method}
    name, uri, target = params.get("name"), params.get("uri"), ""
    if isinstance(name, str) and name and method in {TOOL_CALL, _PROMPT_GET}:
        target = name
        facts[semconv.TOOL_NAME if method == TOOL_CALL else semconv.PROMPT_NAME] = name
    if method == TOOL_CALL:
        facts[semconv.OPERATION] = semconv.EXECUTE_TOOL
    if uri is not None and method.startswith(("resources/", "notifications/resources/")):
        facts[semconv.MCP_RESOURCE] = str(uri)
    if request_id is not None:
        facts[semconv.JSONRPC_ID] = str(request_id)
    meta = params.get("_meta")
    if isinstance(meta, Mapping) and isinstance(version := meta.get(_PROTOCOL_KEY), str):
        facts[semconv.MCP_PROTOCOL] = version
    return About(f"{method} {target}".rstrip(), target, facts)


def ended(found: dict[str, Value], result: Any, error: BaseException | None) -> str | None:
    """What an answer or an error adds to `found`; the `error.type`, where the request failed by the protocol."""
    if error is None:
        failed = field(result, "isError") is True or field(result, "is_error") is True
        return "tool_error" if failed else None
    code = getattr(getattr(error, "error", None), "code", None)
    if isinstance(code, int):
        found[semconv.RPC_STATUS] = str(code)
        return str(code)
    kind = type(error)
    if kind.__name__ == "ValidationError" and kind.__module__.startswith("pydantic"):
        found[semconv.RPC_STATUS] = _INVALID_PARAMS  # what the SDK makes of it for the other side
        return _INVALID_PARAMS
    return None


def measured(metric: str, began_ns: int, found: Mapping[str, Value]) -> None:
    """One request's duration; `began_ns` by perf_counter_ns, `found` all its attributes."""
    emitter = emit.active()
    if emitter is None or emitter.instruments is None:
        return
    with safely("measuring an MCP request"):
        shared = {name: found[name] for name in _MEASURED if name in found}
        emitter.instruments.record_mcp(metric, (perf_counter_ns() - began_ns) / 1e9, shared)


def write_arguments(run: Run, params: Any) -> None:
    """A tool call's arguments, where content is kept."""
    if run.content is not None and isinstance(params, Mapping) and params.get("arguments") is not None:
        run.content.write(semconv.TOOL_CALL_ARGUMENTS, params["arguments"])


def write_result(run: Run, result: Any) -> None:
    """A tool's result: the structured one where there is one, which the content blocks only repeat as text."""
    if run.content is None or result is None:
        return
    if not isinstance(result, Mapping):
        dump = getattr(result, "model_dump", None)
        if dump is None:
            return
        result = dump(by_alias=True, mode="json", exclude_none=True)
    structured = result.get("structuredContent")
    value = result.get("content") if structured is None else structured
    if value is not None:
        run.content.write(semconv.TOOL_CALL_RESULT, value)
