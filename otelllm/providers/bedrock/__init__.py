"""Amazon Bedrock by boto3, aiobotocore and aioboto3: Converse and InvokeModel, whole and streamed; its agents,
knowledge bases and reranking.

All of them end in one method of all AWS clients, through which every call of the process passes.

botocore's own retries are inside that method, bound to a client when it is made: they can't be turned off for a call,
nor can its place and credentials be changed. With [retries] on, give the client
`Config(retries={"total_max_attempts": 1})`.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from functools import cache, partial
from importlib import import_module
from typing import Any

from ...call import Reading, Request
from ...hosts import endpoint_of
from ...spec import Endpoint, Method, Received, Selected, Surface
from .agents import AGENT
from .bodies import watch_body
from .converse import CONVERSE, CONVERSE_STREAM
from .invoke import invoked
from .knowledge import GENERATE, RERANK, RETRIEVE
from .metadata import error_type, read_answered
from .offline import answering
from .streams import follow_events, watch_events

__all__ = ["PROVIDER"]


_SURFACES: dict[str, dict[str, Surface]] = {
    "bedrock-runtime": {"Converse": CONVERSE, "ConverseStream": CONVERSE_STREAM},
    "bedrock-agent-runtime": {
        "InvokeAgent": AGENT,
        "InvokeInlineAgent": AGENT,
        "Retrieve": RETRIEVE,
        "Rerank": RERANK,
        "RetrieveAndGenerate": GENERATE,
    },
}
_INVOKED = {"InvokeModel": False, "InvokeModelWithResponseStream": True}


def _select(client: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Selected | None:
    surfaces = _SURFACES.get(client.meta.service_model.service_name)
    if surfaces is None:
        return None
    named = {**dict(zip(("operation_name", "api_params"), args, strict=False)), **kwargs}
    operation, params = named["operation_name"], named["api_params"]
    if operation in _INVOKED:
        return invoked(params, is_streamed=_INVOKED[operation])
    surface = surfaces.get(operation)
    return None if surface is None else Selected(surface, params)


class _Bedrock:
    name = "bedrock"
    package = "botocore"
    oldest = "1.37.24"
    newest = "1.44.5"
    methods = (
        Method("botocore.client:BaseClient._make_api_call", CONVERSE, select=_select),
        # It overrides the method, so no call passes through both.
        Method("aiobotocore.client:AioBaseClient._make_api_call", CONVERSE, asynchronous=True, select=_select),
    )
    parse_hooks = ()
    iterator = generator = ""

    def endpoint(self, instance: Any) -> Endpoint:
        return endpoint_of(instance.meta.endpoint_url, "aws.bedrock")

    def receive(self, result: Any) -> Received:
        body = next((result[name] for name in ("stream", "body", "completion") if name in result), None)
        if body is None:
            return Received("whole", result, None)
        if isinstance(body, _event_stream()):
            follow = partial(follow_events, weakref.ref(getattr(body, "__wrapped__", body)))
            return Received(
                "stream", body, None, streamed=True, attach=partial(watch_events, result, body), follow=follow
            )
        return Received("raw", body, None, attach=partial(watch_body, result, body))

    def read_headers(self, reading: Reading, headers: Mapping[str, str]) -> None:
        return None  # botocore has read them

    def read_error(self, reading: Reading, error: BaseException, surface: Surface, captures: bool) -> None:
        response = getattr(error, "response", None)
        if isinstance(response, Mapping):
            read_answered(reading, response)
        reading.error_type = error_type(error) or reading.error_type

    def dress(self, instance: Any, surface: Surface, request: Request, text: str) -> Any | None:
        body = surface.answer(request, text)
        return None if body is None else answering(instance, body)


@cache
def _event_stream() -> Any:
    return import_module("botocore.eventstream").EventStream


PROVIDER = _Bedrock()
