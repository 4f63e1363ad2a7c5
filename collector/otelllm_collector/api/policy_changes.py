"""How a request changes the policy: durable, audited, against the one that its sender saw."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from otelllm.errors import BadConfig

from ..answers import answer, refusal
from ..operations import Argument, text
from ..policies import Changed, Policies, Pushed, Sender
from ..questions import BadQuestion, Busy

__all__ = ["BY", "ETAG", "IF_MATCH", "etag", "pushed", "version"]

BY = text("by", "Who does it, for the audit.", most=200)
IF_MATCH = Argument(
    "If-Match", 'The ETag of the policy that this one is made of ("" of none): 412 where another is in force by now.',
    {"type": "string"}, lambda request: request.headers.get("if-match", ""), "header",
)  # fmt: skip
ETAG = {"ETag": "The version: the same rules have the same one, however they are written."}


async def pushed(policies: Policies, request: Request, make: Callable[[str], str], *, by: str) -> Response:
    """The answer to a request that puts in force what `make` makes of the policy's text."""
    address = request.client.host if request.client else None
    sender = Sender(by, request.scope.get("otelllm.key"), address)
    expected = version(IF_MATCH.read(request)) if "if-match" in request.headers else None
    try:
        new = await asyncio.to_thread(policies.push, make, sender, instead_of=expected)
    except Changed:
        return refusal(412, "another policy was pushed meanwhile: look at it, and push again")
    except BadConfig as error:
        raise BadQuestion(str(error)) from error
    except OSError as error:
        raise Busy(f"the policy can't be written ({error.strerror}); the one before stays in force") from error
    policies.wake()
    return answer(new.audit(), headers={"etag": etag(new)})


def etag(policy: Pushed) -> str:
    """The version as a header has it."""
    return f'W/"{policy.version}"'


def version(tag: str) -> str:
    """The version that such a header names."""
    return tag.strip().removeprefix("W/").strip('"')
