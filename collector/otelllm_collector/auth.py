"""Who may call what: a table of routes and the scope that each needs, and the check of the key that comes with a call.

Without keys everything but `operate` is open to whoever reaches the port, which is this machine unless its owner said
otherwise. The local token may do all, as an `operate` key may.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from starlette.datastructures import Headers
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from otelllm.folders import TOKEN_FILE

from . import keys
from .answers import refusal
from .config import BadSetting, Settings
from .keys import Key, Keys, read_keys

__all__ = ["INGEST", "Auth", "NotAllowed", "may_operate", "needed", "refuse_open_doors"]

Need = keys.Scope | Literal["follow"] | None
"""What a route asks for: a scope; any key at all, for the policy is for whoever sends spans as for who reads them;
nothing.
"""

_TABLE: tuple[tuple[str, str, Need], ...] = (
    ("POST", "/v1/traces", "ingest"),
    ("POST", "/v1/metrics", "ingest"),
    ("POST", "/v1/logs", "ingest"),
    ("POST", "/v1/feedback", "ingest"),
    ("GET", "/healthz", None),
    ("GET", "/v1/policy", "follow"),
    ("POST", "/api/sql", "read"),
    ("GET", "/", "read"),
)
"""Method, path or what it begins with (where it ends in /), scope. What is not here changes something: `operate`."""

_OF_PROJECT = frozenset(
    {
        ("GET", "/api/traces"),
        ("GET", "/api/traces/{trace_id}"),
        ("GET", "/api/traces/{trace_id}/spans/{span_id}"),
        ("GET", "/api/spans"),
        ("GET", "/api/aggregates"),
        ("GET", "/api/facets"),
        ("GET", "/api/decisions"),
        ("GET", "/api/metrics"),
        ("GET", "/api/logs"),
        ("GET", "/api/tail"),
        ("GET", "/api/export"),
        ("GET", "/api/openapi.json"),
        ("GET", "/v1/policy"),
    }
)
"""Routes beside those of ingest that a key of a project may ask: they give out nothing of other projects. All others
tell of the whole collector; so does SQL: through a view that filters, `stats(name)` still shows the greatest name of
the whole column."""

INGEST = frozenset(path for _, path, scope in _TABLE if scope == "ingest")

_GRANTS: dict[keys.Scope, frozenset[Need]] = {
    "ingest": frozenset({"ingest", "follow"}),
    "read": frozenset({"read", "follow"}),
    "operate": frozenset({"ingest", "read", "follow", "operate"}),
}


class NotAllowed(Exception):  # noqa: N818  a refusal is no error of ours
    """A call without a key that is good for it; the text is for its sender, and names no key's secret."""

    def __init__(self, message: str, *, is_known: bool) -> None:
        super().__init__(message)
        self.is_known = is_known
        """Whether the key is one of ours, of another scope (403 and not 401)."""


def needed(method: str, path: str) -> Need:
    """The scope that a route needs; None: open to everyone."""
    method = "GET" if method == "HEAD" else method
    for of_method, of_path, scope in _TABLE:
        if method == of_method and (path == of_path or (of_path.endswith("/") and path.startswith(of_path))):
            return scope
    return "operate"


def may_operate(scope: Scope) -> bool:
    """Whether the key that a guarded request came with may change something."""
    return bool(scope.get("otelllm.may_operate"))


def is_of_project(method: str, path: str) -> bool:
    """Whether a key that is of one project may ask this route."""
    return path in INGEST or ("GET" if method == "HEAD" else method, path) in _OF_PROJECT


def refuse_open_doors(settings: Settings) -> None:
    """`BadSetting` where other machines would reach the data without a key."""
    remote = settings.remote
    if remote is not None and not settings.allow_remote and not read_keys(settings.data):
        option = "--http" if remote == settings.http else "--grpc"
        raise BadSetting(
            f"{option} '{remote}' can be reached from other machines, and whoever reaches it can read every prompt; "
            "use 127.0.0.1, make a key (`otelllm keys add NAME --scope ingest`), or set OTELLLM_ALLOW_REMOTE=1 "
            "where a firewall or a proxy with a login stands before it"
        )


class Auth:
    """Checks keys, for HTTP and gRPC alike; `refused` is called with the reason of each refusal."""

    def __init__(self, settings: Settings, refused: Callable[[str], None] = lambda _: None) -> None:
        self._keys = Keys(settings.data)
        self._is_open = settings.remote is None or settings.allow_remote
        self._refused = refused

    def check(self, authorization: str, api_key: str, scope: Need) -> Key | None:
        """Whose call it is, None where nobody has to say; raises `NotAllowed`."""
        if scope is None:
            return None
        kind, _, bearer = authorization.partition(" ")
        secret = bearer.strip() if kind.lower() == "bearer" else api_key
        key = self._keys.find(secret) if secret else None
        if key is not None:
            if scope in _GRANTS[key.scope]:
                return key
            self._refused("forbidden")
            raise NotAllowed(
                f"the key {key.name!r} is for {key.scope}, this needs {scope}: `otelllm keys add NAME --scope {scope}`",
                is_known=True,
            )
        if self._is_open and scope != "operate" and not self._keys.are_wanted():
            return None
        self._refused("unauthenticated")
        told = "this key is not known" if secret else "this needs a key"
        way = f", or the token in the data folder's {TOKEN_FILE}" if scope == "operate" else ""
        wanted = "ingest" if scope == "follow" else scope
        message = f"{told}; send one of scope {wanted} as 'Authorization: Bearer KEY' or 'x-api-key: KEY'{way}"
        raise NotAllowed(message, is_known=False)

    def guard(self, route: Route) -> Route:
        """The same route, for those who may; the key's project goes along in the scope as "otelllm.project": onto what
        comes, and before what is asked.
        """
        route.app = self._guarded(route.app, route.path)
        return route

    def _guarded(self, app: ASGIApp, path: str) -> ASGIApp:
        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            headers = Headers(scope=scope)
            try:
                wanted = needed(scope["method"], path)
                key = self.check(headers.get("authorization", ""), headers.get("x-api-key", ""), wanted)
                if key is not None and key.project is not None and not is_of_project(scope["method"], path):
                    self._refused("forbidden")
                    raise NotAllowed(
                        f"the key {key.name!r} is of project {key.project!r}, and {path} tells of all projects: ask "
                        f"another route, or use a key without a project (`otelllm keys add NAME --scope {wanted}`)",
                        is_known=True,
                    )
            except NotAllowed as error:
                challenge: dict[str, Any] = {} if error.is_known else {"www-authenticate": "Bearer"}
                await refusal(403 if error.is_known else 401, str(error), challenge)(scope, receive, send)
                return
            scope["otelllm.project"] = key.project if key else None
            scope["otelllm.key"] = key.name if key else None
            scope["otelllm.may_operate"] = key is not None and "operate" in _GRANTS[key.scope]
            await app(scope, receive, send)

        return guarded
