"""Questions to the collector's API. By urllib: httpx would add a tenth of a second to every command."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any, cast
from urllib.parse import urlencode

from ._failure import Failure

__all__ = ["ask"]

TIMEOUT_S = 60.0
# The collector is on this machine or near: a proxy of the environment is for other addresses.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(url: str, path: str, body: dict[str, Any] | None = None, **arguments: str | int) -> dict[str, Any]:
    """The collector's answer: a GET with `arguments`, or a POST of `body`."""
    if not url.startswith(("http://", "https://")):
        raise Failure(f"--url {url!r} is no address of a collector; try http://127.0.0.1:4318")
    query = f"?{urlencode(arguments)}" if arguments else ""
    request = urllib.request.Request(  # noqa: S310  http only, see above
        f"{url.rstrip('/')}{path}{query}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "Accept": "application/json"},
    )
    try:
        with _opener.open(request, timeout=TIMEOUT_S) as answer:
            return cast(dict[str, Any], json.load(answer))
    except urllib.error.HTTPError as error:
        with error:
            raise Failure(_reason(error)) from error
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise Failure(
            f"no collector answers at {url} ({reason}): start one with `otelllm up`, or give --url"
        ) from error
    except ValueError as error:
        raise Failure(f"{url} answers, but not as an otelllm collector does: is --url right?") from error


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["error"])
    except (ValueError, KeyError, TypeError):
        return f"{error.url} answered {error.code} {error.reason}: is an otelllm collector there?"
