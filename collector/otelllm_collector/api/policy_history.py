"""The audit of the policy service: who pushed which policy and when, and what that changed."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .. import arguments
from ..answers import answer, refusal
from ..operations import Answer, Argument, Operation, Schema
from ..policies import Policies
from .schemas import TEXT, TEXT_OR_NULL, WHOLE, listed

__all__ = ["PUSHED", "routes"]

NUMBER = Argument(
    "number", "Of the push, from 1.", {"type": "integer", "minimum": 1, "maximum": 2**31 - 1},
    lambda request: arguments.number(request.path_params["number"], "number"), "path", required=True,
)  # fmt: skip

AUDIT: Schema = {
    "number": WHOLE, "version": TEXT, "pushed_ns": WHOLE, "by": TEXT, "key": TEXT_OR_NULL, "address": TEXT_OR_NULL,
}  # fmt: skip
PUSHED: Schema = {"type": "object", "properties": AUDIT, "required": list(AUDIT), "additionalProperties": False}
"""One push, without its text."""


def routes(policies: Policies) -> list[Route]:
    """Routes of this group."""

    async def list_policies(_: Request) -> Response:
        return answer({"policies": [pushed.audit() for pushed in reversed(policies.pushed)]})

    async def get_change(request: Request) -> Response:
        number = NUMBER.read(request)
        found = policies.change(number)
        if found is None:
            return refusal(404, f"there is no policy {number}; /v1/policy/history lists those that there are")
        return answer({**found.pushed.audit(), "text": found.pushed.text, "diff": found.diff})

    change = {
        **PUSHED, "properties": {**AUDIT, "text": TEXT, "diff": TEXT}, "required": [*AUDIT, "text", "diff"],
    }  # fmt: skip
    return [
        Operation(
            "/v1/policy/history", list_policies, tag="policy", about="Who pushed which policy and when, newest first.",
            answers={200: Answer.json("All of them, without their texts.", listed("policies", PUSHED))},
        ),
        Operation(
            "/v1/policy/history/{number}", get_change, tag="policy",
            about="One policy that was pushed: who, when, its text, and what it changed in the one before.",
            arguments=(NUMBER,),
            answers={200: Answer.json("The push, and its diff.", change)},
            refusals=(400, 404, 503),
        ),
    ]  # fmt: skip
