"""Questions to the collector's API. By urllib: httpx would add a tenth of a second to every command."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, TypeAlias, cast
from urllib.parse import urlencode, urlsplit

from ..folders import default_data, local_token
from ._failure import Failure

__all__ = ["Away", "ask", "send"]

Argument: TypeAlias = str | int | float | list[str]

TIMEOUT_S = 60.0
# The collector is on this machine or near: a proxy of the environment is for other addresses.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Away(Failure):
    """No collector answers, or no longer."""


def ask(url: str, path: str, body: dict[str, Any] | None = None, **arguments: Argument) -> dict[str, Any]:
    """The collector's answer: a GET with `arguments`, or a POST of `body`."""
    content = None if body is None else json.dumps(body).encode()
    with send(url, path, arguments, content=content) as answer:
        try:
            return cast(dict[str, Any], json.load(answer))
        except ValueError as error:
            raise Failure(f"{url} answers, but not as an otelllm collector does: is --url right?") from error


@contextmanager
def send(
    url: str,
    path: str,
    arguments: Mapping[str, Argument],
    *,
    method: str | None = None,
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = TIMEOUT_S,
) -> Iterator[HTTPResponse]:
    """An answer to read from inside the block; refusals are `Failure`, a collector that is not there `Away`."""
    if not url.startswith(("http://", "https://")):
        raise Failure(f"--url {url!r} is no address of a collector; try http://127.0.0.1:4318")
    query = f"?{urlencode(arguments, doseq=True)}" if arguments else ""
    request = urllib.request.Request(  # noqa: S310  http only, see above
        f"{url.rstrip('/')}{path}{query}",
        data=content,
        headers={"Content-Type": "application/json", "Accept": "application/json"} | _key(url) | dict(headers or {}),
        method=method,
    )
    try:
        with _opener.open(request, timeout=timeout) as answer:
            yield answer
    except urllib.error.HTTPError as error:
        with error:
            raise Failure(_reason(error)) from error
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise Away(f"no collector answers at {url} ({reason}): start one with `otelllm up`, or give --url") from error


def _key(url: str) -> dict[str, str]:
    """OTELLLM_KEY; without it, for a collector of this machine, the token in its folder, which its owner can read."""
    key = os.environ.get("OTELLLM_KEY")
    if not key and urlsplit(url).hostname in ("127.0.0.1", "localhost", "::1"):
        data = os.environ.get("OTELLLM_DATA")
        key = local_token(Path(data).expanduser() if data else default_data(os.environ))
    return {"Authorization": f"Bearer {key}"} if key else {}


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["error"])
    except (ValueError, KeyError, TypeError):
        return f"{error.url} answered {error.code} {error.reason}: is an otelllm collector there?"
