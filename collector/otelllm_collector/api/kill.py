"""Kill switches: which are on, and turning one on or off, by a change to the policy that all processes follow."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from otelllm.policy_switches import off, on, switches

from ..answers import answer, refusal
from ..auth import may_operate
from ..operations import JSON, Answer, Argument, Body, Operation, Schema, read_json, text
from ..policies import Policies
from ..questions import BadQuestion
from .policy_changes import BY, ETAG, IF_MATCH, etag, pushed
from .policy_history import PUSHED
from .schemas import TEXT, TEXT_OR_NULL

__all__ = ["routes"]

BODY_LIMIT = 64 * 1024

EXAMPLE = '{"what": "feature:support", "by": "ada", "answer": "Back soon."}'

KINDS = "KEY:VALUE with feature, model, provider, user, tool or tag.NAME and a value or glob; or all"
TEXTS = {
    "what": (200, f"What is switched off: {KINDS}."),
    "by": (200, "Who does it, for the audit."),
    "answer": (10_000, "What apps get in place of an error."),
}
"""Field to its longest and what it says."""

SWITCH: Schema = {
    "type": "object",
    "properties": {
        name: {"type": "string" if name == "what" else ["string", "null"], "maxLength": most, "description": about}
        for name, (most, about) in TEXTS.items()
    },
    "required": ["what"],
    "additionalProperties": False,
    "examples": [{"what": "feature:support", "by": "ada", "answer": "Back soon."}],
}

_WHAT = text("what", "The switch, as it was turned on; all: every one, unless one is on for all.", most=200)
WHAT = Argument(_WHAT.name, _WHAT.about, _WHAT.schema | {"minLength": 1}, _WHAT.read, required=True)


def routes(policies: Policies) -> list[Route]:
    """Routes of this group."""

    async def list_switches(request: Request) -> Response:
        found = policies.current
        on_now = [switch._asdict() for switch in switches(found.text if found else "")]
        told = {"switches": on_now, "may_change": may_operate(request.scope), "version": found and found.version}
        return answer(told, headers={"etag": etag(found) if found else 'W/""'})

    async def turn_on(request: Request) -> Response:
        given = _read(await read_json(request, BODY_LIMIT, EXAMPLE))
        what, by, said = given["what"], given.get("by", ""), given.get("answer")
        return await pushed(policies, request, lambda policy: on(policy, what, by=by, answer=said), by=by)

    async def turn_off(request: Request) -> Response:
        what, by = WHAT.read(request), BY.read(request)
        if not what:
            raise BadQuestion("what is missing; name the switch, such as feature:support, or all")
        known = [switch.what for switch in switches(policies.current.text if policies.current else "")]
        if what not in known and not (what == "all" and known):
            told = ", ".join(known) or "none is on"
            return refusal(404, f"no switch {what!r} ({told}) was turned on; rules of the policy's own stay")
        return await pushed(policies, request, lambda policy: off(policy, what), by=by)

    properties: Schema = {
        "switches": {
            "type": "array",
            "items": {
                "type": "object", "properties": {"what": TEXT, "by": TEXT, "answer": TEXT_OR_NULL},
                "required": ["what", "by", "answer"], "additionalProperties": False,
            },
        },
        "may_change": {"type": "boolean", "description": "Whether the key of this request may turn one on or off."},
        "version": TEXT_OR_NULL,
    }  # fmt: skip
    listed = {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
    in_force = {200: Answer.json("It is in force, and on the disk.", PUSHED, ETAG)}
    return [
        Operation(
            "/v1/kill", list_switches, tag="policy", about="The kill switches that are on, the oldest first.",
            answers={200: Answer.json("Those of /v1/kill and `otelllm kill`.", listed, ETAG)},
        ),
        Operation(
            "/v1/kill", turn_on, method="POST", tag="policy", arguments=(IF_MATCH,),
            about="Refuse calls from now on, in every process that follows the policy; another answer replaces one.",
            body=Body("The switch.", {JSON: SWITCH}), answers=in_force, refusals=(400, 412, 503),
        ),
        Operation(
            "/v1/kill", turn_off, method="DELETE", tag="policy", arguments=(WHAT, BY, IF_MATCH),
            about="Let calls pass again.", answers=in_force, refusals=(400, 404, 412, 503),
        ),
    ]  # fmt: skip


def _read(given: dict[str, Any]) -> dict[str, str]:
    for name in given:
        if name not in TEXTS:
            raise BadQuestion(f"there is no field {name!r}; known are {', '.join(TEXTS)}")
    given = {name: value for name, value in given.items() if value is not None}
    for name, value in given.items():
        if not isinstance(value, str):
            raise BadQuestion(f"{name} {value!r} is no text; send {EXAMPLE}")
        if len(value) > TEXTS[name][0]:
            raise BadQuestion(f"{name} has {len(value)} characters; at most {TEXTS[name][0]} are taken")
    if not given.get("what"):
        raise BadQuestion(f"it is not said what is switched off; send {EXAMPLE}")
    return given
