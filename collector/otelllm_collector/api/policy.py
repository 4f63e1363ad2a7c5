"""The policy service: one policy for all processes of a team, which wait for its next version."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..answers import refusal
from ..operations import Answer, Argument, Body, Operation, read_body, text, whole
from ..policies import LONGEST, Policies
from ..questions import BadQuestion
from .policy_changes import BY, ETAG, IF_MATCH, etag, pushed, version
from .policy_history import PUSHED
from .schemas import TEXT

__all__ = ["routes"]

TOML = "application/toml"

VERSION = text("version", "The version that is there already: waits for another.", most=100)
WAIT = whole("wait", "Seconds to wait for another version than the one named.", 0, most=300)
IF_NONE_MATCH = Argument(
    "If-None-Match", "The ETag that is there already: 304 where it is still in force.", {"type": "string"},
    lambda request: request.headers.get("if-none-match", ""), "header",
)  # fmt: skip


def routes(policies: Policies) -> list[Route]:
    """Routes of this group."""

    async def get_policy(request: Request) -> Response:
        known = _known(request)
        wait_s = WAIT.read(request)
        found = policies.current
        if wait_s and (found.version if found else "") == known:
            found = await policies.wait(known, wait_s)
        if found is None:
            return refusal(404, "there is no policy; push one by `otelllm policy push FILE`")
        headers = {"etag": etag(found), "cache-control": "no-cache"}
        if found.version == known:
            return Response(status_code=304, headers=headers)
        return Response(found.text, headers=headers, media_type=TOML)

    async def put_policy(request: Request) -> Response:
        content = await _read_policy(request)
        return await pushed(policies, request, lambda _: content, by=BY.read(request))

    return [
        Operation(
            "/v1/policy", get_policy, tag="policy",
            about="The policy in force, as TOML; with `wait` as soon as there is another than the one named.",
            arguments=(VERSION, WAIT, IF_NONE_MATCH),
            answers={200: Answer("The policy.", {TOML: TEXT}, ETAG), 304: Answer("Still the one named.", {}, ETAG)},
            refusals=(400, 404, 503),
        ),
        Operation(
            "/v1/policy", put_policy, method="PUT", tag="policy",
            about="Put a policy in force for all who ask. The same text again changes nothing.",
            arguments=(BY, IF_MATCH), body=Body("The policy file.", {TOML: TEXT}),
            answers={200: Answer.json("It is in force, and on the disk.", PUSHED, ETAG)},
            refusals=(400, 412, 503),
        ),
    ]  # fmt: skip


def _known(request: Request) -> str:
    """The version that whoever asks has already, empty where none."""
    return VERSION.read(request) or version(IF_NONE_MATCH.read(request))


async def _read_policy(request: Request) -> str:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != TOML:
        raise BadQuestion(f"Content-Type {media_type!r} is not taken; send the policy file as {TOML}")
    try:
        return (await read_body(request, LONGEST)).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadQuestion(f"the policy is not UTF-8 (byte {error.start}); save it as UTF-8") from error
