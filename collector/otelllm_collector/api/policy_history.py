"""What the policy service tells people: the policy in words, who pushed which and when, and what that changed."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from otelllm.errors import BadConfig
from otelllm.policy import parse
from otelllm.policy_words import explain

from .. import arguments
from ..answers import answer, refusal
from ..operations import Answer, Argument, Operation, Schema
from ..policies import Policies, Pushed
from .schemas import TEXT, TEXT_OR_NULL, TEXTS, WHOLE, listed

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

    async def get_words(_: Request) -> Response:
        found = policies.current
        if found is None:
            return refusal(404, "there is no policy; push one by `otelllm policy push FILE`")
        words, problem = _explained(found)
        return answer({**found.audit(), "words": words, "problem": problem})

    words: Schema = {"words": TEXTS, "problem": TEXT_OR_NULL}
    in_words = {**PUSHED, "properties": AUDIT | words, "required": [*AUDIT, *words]}
    change = {
        **PUSHED, "properties": {**AUDIT, "text": TEXT, "diff": TEXT}, "required": [*AUDIT, "text", "diff"],
    }  # fmt: skip
    return [
        Operation(
            "/v1/policy/words", get_words, tag="policy",
            about="The policy in force in words, a sentence for each rule, in the order in which a call meets them.",
            answers={200: Answer.json("Who pushed it, its words, or why it has none.", in_words)},
            refusals=(400, 404, 503),
        ),
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


def _explained(policy: Pushed) -> tuple[list[str], str | None]:
    """Its words; or what is wrong with it, where an older version of ours took what this one does not."""
    try:
        return explain(parse(policy.text, "policy")), None
    except BadConfig as error:
        return [], str(error)
