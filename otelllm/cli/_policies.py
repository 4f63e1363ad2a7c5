"""What commands about policies share: a file loaded, who sits here, and the right to change the collector's."""

from __future__ import annotations

import getpass
import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..errors import BadConfig
from ..folders import default_data, local_token
from ._failure import Failure

if TYPE_CHECKING:
    import argparse

    from ..policy import Policy

__all__ = ["loaded", "operator", "user"]


def loaded(file: str) -> Policy:
    """The policy of a file; its first mistake is a `Failure`."""
    from ..policy import load  # noqa: PLC0415  the rules' code is wanted by this command only

    try:
        return load(Path(file))
    except BadConfig as error:
        raise Failure(str(error)) from error


def operator(args: argparse.Namespace) -> dict[str, str]:
    """The right to change something: a key of the environment, else the token of a collector on this machine."""
    if os.environ.get("OTELLLM_KEY") or urlsplit(args.url).hostname not in ("127.0.0.1", "localhost", "::1"):
        return {}
    token = local_token(Path(args.data).expanduser() if args.data else default_data(os.environ))
    return {"Authorization": f"Bearer {token}"} if token else {}


def user() -> str:
    """Who sits here, for the audit."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        return f"uid {os.getuid()}" if hasattr(os, "getuid") else "unknown"
