"""API keys: a file in the data folder that holds a hash of each, and the token of those who may read that folder.

Keys are 32 random bytes, so a plain SHA-256 is as good as a slow hash: there is nothing to guess.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import hmac
import logging
import os
import secrets
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

import orjson

from otelllm.folders import TOKEN_FILE

from .config import BadSetting

__all__ = ["FILE_NAME", "LOCAL", "Key", "Keys", "Scope", "add_key", "local_token", "read_keys", "remove_key"]

log = logging.getLogger(__name__)

Scope = Literal["ingest", "read", "operate"]
FILE_NAME = "keys.json"


@dataclass(frozen=True, slots=True)
class Key:
    """Who may do what."""

    name: str
    scope: Scope
    sha256: str
    project: str | None = None
    """Whose spans these are: goes onto the resource of all that comes with this key, and bounds what it may read."""
    made: str = ""


LOCAL = Key("this machine's token", "operate", "")


class Keys:
    """The keys as the file has them now, and the local token."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._token = hashlib.sha256(local_token(folder).encode()).hexdigest()
        self._seen = _signature(self._path)
        self._keys = read_keys(folder)
        self._is_broken = False

    def are_wanted(self) -> bool:
        """Whether there are keys, or a file that may hold some and can't be read."""
        return bool(self._current()) or self._is_broken

    def _current(self) -> list[Key]:
        """All keys; the file is read again where it has changed. One that can't be read changes none of them."""
        seen = _signature(self._path)
        if seen != self._seen:
            self._seen = seen
            try:
                self._keys = read_keys(self._path.parent)
                self._is_broken = False
            except BadSetting as error:
                self._is_broken = True
                log.error("%s; the keys stay as they were", error)
        return self._keys

    def find(self, secret: str) -> Key | None:
        """Whose key this is. Takes as long for a wrong one as for a right one."""
        given = hashlib.sha256(secret.encode()).hexdigest()
        found = LOCAL if hmac.compare_digest(given, self._token) else None
        for key in self._current():
            if hmac.compare_digest(given, key.sha256):
                found = key
        return found


def read_keys(folder: Path) -> list[Key]:
    """The file's keys, none where there is no file; `BadSetting` where it can't be used."""
    path = folder / FILE_NAME
    try:
        found = [Key(**entry) for entry in orjson.loads(path.read_bytes())["keys"]]
        if any(key.scope not in get_args(Scope) or len(key.sha256) != 64 for key in found):
            raise ValueError("a key without a scope or a hash")
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadSetting(
            f"{str(path)!r} can't be read as our keys ({type(error).__name__}); "
            "remove it and make the keys anew with `otelllm keys add`"
        ) from error
    return found


def add_key(folder: Path, name: str, scope: Scope, project: str | None) -> str:
    """A new key, which is not told again; `BadSetting` where the name is taken."""
    keys = read_keys(folder)
    if scope == "operate" and project is not None:
        raise BadSetting(f"operate is over the whole collector, project {project!r} or not; leave --project out")
    if any(key.name == name for key in keys):
        raise BadSetting(f"there is a key {name!r} already; remove it, or choose another name")
    secret = f"otelllm-{scope}-{secrets.token_urlsafe(32)}"
    made = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    _write(folder, [*keys, Key(name, scope, hashlib.sha256(secret.encode()).hexdigest(), project, made)])
    return secret


def remove_key(folder: Path, name: str) -> None:
    """From now on the key opens nothing; `BadSetting` where there is none of this name."""
    keys = read_keys(folder)
    if not any(key.name == name for key in keys):
        names = ", ".join(key.name for key in keys) or "no keys at all"
        raise BadSetting(f"there is no key {name!r}; there are: {names}")
    _write(folder, [key for key in keys if key.name != name])


def local_token(folder: Path) -> str:
    """The token in the folder, made where there is none: who can read it owns the data anyway."""
    path = folder / TOKEN_FILE
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError), open(path, "x", opener=_for_its_owner) as file:
        file.write(f"otelllm-local-{secrets.token_urlsafe(32)}\n")
    path.chmod(0o600)
    token = path.read_text(encoding="ascii").strip()
    if len(token) < 40:
        raise BadSetting(f"{str(path)!r} holds no token; remove it, and a new one is made at the next start")
    return token


def _for_its_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _write(folder: Path, keys: list[Key]) -> None:
    """As a whole or not at all: a collector may be reading."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    number, name = tempfile.mkstemp(dir=folder, prefix=FILE_NAME)  # with mode 0600
    with os.fdopen(number, "wb") as file:
        file.write(orjson.dumps({"keys": [asdict(key) for key in keys]}, option=orjson.OPT_INDENT_2))
        file.flush()
        os.fsync(file.fileno())
    Path(name).replace(folder / FILE_NAME)


def _signature(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_mtime_ns, found.st_size, found.st_ino)
