"""Microsoft's Agent Framework and, before it, Semantic Kernel."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from otelllm import semconv

from .spec import Foreign
from .values import count, finish, provider, text

__all__ = ["VOCABULARY"]

_SCOPES = ("agent_framework", "Microsoft.SemanticKernel", "semantic_kernel")
_MARKERS = frozenset(
    {
        *("agent_framework.function.name", "agent_framework.function.invocation.duration"),
        *("sk.available_functions", "workflow_builder.name", "edge_group.type", "message.payload_type"),
    }
)
_OPERATIONS = {
    **dict.fromkeys(("chat.completions", "chat_completions"), semconv.CHAT),
    **dict.fromkeys(("text.completions", "text_completions"), semconv.TEXT_COMPLETION),
}
"""Semantic Kernel's words."""
_NAMES = {
    "workflow.run": semconv.INVOKE_WORKFLOW,
    **dict.fromkeys(("workflow.build", "executor.process", "edge_group.process", "message.send"), semconv.TASK),
    "AutoFunctionInvocationLoop": semconv.TASK,
}
"""A span's name by its first word, where no attribute tells what it is."""
_FINISH = "gen_ai.response.finish_reason"
_OLD_USAGE = (
    (semconv.USAGE_INPUT, "gen_ai.response.prompt_tokens"),
    (semconv.USAGE_OUTPUT, "gen_ai.response.completion_tokens"),
)


class AgentFramework:
    """Scopes `agent_framework`, `Microsoft.SemanticKernel.Diagnostics`, `semantic_kernel.…`. Agents carry the sums of
    their calls, and name the framework as provider.
    """

    name = "agent-framework"
    rank = 58
    beats_native: Collection[str] = frozenset(
        {
            *(semconv.OPERATION, semconv.PROVIDER, semconv.RESPONSE_FINISH_REASONS, semconv.ERROR_TYPE),
            *(semconv.SERVER_ADDRESS, semconv.SERVER_PORT),
        }
    )

    def knows(self, scope: str, keys: Collection[str]) -> bool:
        """By their scopes, or where those are lost, by names of their own."""
        return scope.startswith(_SCOPES) or not _MARKERS.isdisjoint(keys)

    def read(self, span: Foreign) -> Mapping[str, Any]:
        """What is right as it stands, and that is most of it, isn't said again."""
        attributes = span.attributes
        found: dict[str, Any] = {}
        given = text(attributes.get(semconv.OPERATION))
        operation = _NAMES.get(span.name.partition(" ")[0]) if given is None else _OPERATIONS.get(given)
        if operation is not None:
            found[semconv.OPERATION] = operation
        if (workflow := text(attributes.get("workflow.name"))) is not None:
            found[semconv.WORKFLOW_NAME] = workflow
        named = attributes.get(semconv.PROVIDER, attributes.get("gen_ai.system"))
        if named is not None and (by := provider(named)) != named:
            found[semconv.PROVIDER] = by
        conversation = text(attributes.get(semconv.CONVERSATION_ID))
        if conversation is not None:
            found[semconv.SESSION_ID] = conversation
        found.update(_finished(attributes))
        found.update(_server(attributes))
        for name, key in _OLD_USAGE:
            if (tokens := count(attributes.get(key))) is not None:
                found[name] = tokens
        kind = text(attributes.get(semconv.ERROR_TYPE))
        if kind is not None and kind.startswith("<class '"):
            found[semconv.ERROR_TYPE] = kind.removeprefix("<class '").removesuffix("'>")
        return found


def _finished(attributes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """A list's JSON text, or reasons with commas as Python writes members of an enumeration."""
    given = attributes.get(semconv.RESPONSE_FINISH_REASONS)
    if given is None and text(attributes.get(_FINISH)):
        given = [one.rpartition(".")[2] for one in attributes[_FINISH].split(",") if one not in {"", "None"}]
        yield semconv.RESPONSE_FINISH_REASONS, finish(given)  # None, too, is better than what is written there
    elif (made := finish(given)) is not None:
        yield semconv.RESPONSE_FINISH_REASONS, made


def _server(attributes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """A whole URL is written as address."""
    given = attributes.get(semconv.SERVER_ADDRESS)
    if not isinstance(given, str) or "://" not in given:
        return
    try:
        url = urlsplit(given)
        address, port = url.hostname, url.port or {"https": 443, "http": 80}.get(url.scheme)
    except ValueError:
        return
    if address:
        yield semconv.SERVER_ADDRESS, address
        if port is not None:
            yield semconv.SERVER_PORT, port


VOCABULARY = AgentFramework()
