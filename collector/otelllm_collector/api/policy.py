"""The policy service: one policy for all processes of a team, which wait for its next version."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from otelllm.errors import BadConfig

from ..answers import answer, refusal
from ..operations import Answer, Argument, Body, Operation, read_body, text, whole
from ..policies import Changed, Policies, Pushed
from ..questions import BadQuestion, Busy
from .policy_history import PUSHED
from .schemas import TEXT

__all__ = ["routes"]

TOML = "application/toml"
BODY_LIMIT = 256 * 1024

VERSION = text("version", "The version that is there already: waits for another.", most=100)
WAIT = whole("wait", "Seconds to wait for another version than the one named.", 0, most=300)
BY = text("by", "Who pushes it, for the audit.", most=200)
IF_NONE_MATCH = Argument(
    "If-None-Match", "The ETag that is there already: 304 where it is still in force.", {"type": "string"},
    lambda request: request.headers.get("if-none-match", ""), "header",
)  # fmt: skip

IF_MATCH = Argument(
    "If-Match", 'The ETag of the policy that this one is made of ("" of none): 412 where another is in force by now.',
    {"type": "string"}, lambda request: request.headers.get("if-match", ""), "header",
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
        headers = {"etag": _etag(found), "cache-control": "no-cache"}
        if found.version == known:
            return Response(status_code=304, headers=headers)
        return Response(found.text, headers=headers, media_type=TOML)

    async def put_policy(request: Request) -> Response:
        content = await _read_policy(request)
        by, key = BY.read(request), request.scope.get("otelllm.key")
        address = request.client.host if request.client else None
        expected = _version(IF_MATCH.read(request)) if "if-match" in request.headers else None
        try:
            pushed = await asyncio.to_thread(
                policies.push, content, by=by, key=key, address=address, instead_of=expected
            )
        except Changed:
            return refusal(412, "another policy was pushed meanwhile: look at it, and push again")
        except BadConfig as error:
            raise BadQuestion(str(error)) from error
        except OSError as error:
            raise Busy(f"the policy can't be written ({error.strerror}); the one before stays in force") from error
        policies.wake()
        return answer(pushed.audit(), headers={"etag": _etag(pushed)})

    etag = {"ETag": "The version: the same rules have the same one, however they are written."}
    return [
        Operation(
            "/v1/policy", get_policy, tag="policy",
            about="The policy in force, as TOML; with `wait` as soon as there is another than the one named.",
            arguments=(VERSION, WAIT, IF_NONE_MATCH),
            answers={200: Answer("The policy.", {TOML: TEXT}, etag), 304: Answer("Still the one named.", {}, etag)},
            refusals=(400, 404, 503),
        ),
        Operation(
            "/v1/policy", put_policy, method="PUT", tag="policy",
            about="Put a policy in force for all who ask. The same text again changes nothing.",
            arguments=(BY, IF_MATCH), body=Body("The policy file.", {TOML: TEXT}),
            answers={200: Answer.json("It is in force, and on the disk.", PUSHED, etag)},
            refusals=(400, 412, 503),
        ),
    ]  # fmt: skip


def _known(request: Request) -> str:
    """The version that whoever asks has already, empty where none."""
    version, tag = VERSION.read(request), IF_NONE_MATCH.read(request)
    return version or _version(tag)


def _version(etag: str) -> str:
    return etag.strip().removeprefix("W/").strip('"')


def _etag(pushed: Pushed) -> str:
    return f'W/"{pushed.version}"'


async def _read_policy(request: Request) -> str:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != TOML:
        raise BadQuestion(f"Content-Type {media_type!r} is not taken; send the policy file as {TOML}")
    try:
        return (await read_body(request, BODY_LIMIT)).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadQuestion(f"the policy is not UTF-8 (byte {error.start}); save it as UTF-8") from error
