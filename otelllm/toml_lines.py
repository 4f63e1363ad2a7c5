"""On which line of a TOML text a key stands: `tomllib` does not say, and an error message must."""

from __future__ import annotations

import re

__all__ = ["line_of"]

Keys = tuple[str | int, ...]

_PART = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_PATH = rf"{_PART}(?:\s*\.\s*{_PART})*"
_TABLE = re.compile(rf"\s*(\[\[?)\s*({_PATH})\s*\]")
_KEY = re.compile(rf"\s*({_PATH})\s*=")
_FENCE = re.compile(r'"""|\'\'\'')


def line_of(text: str, keys: Keys) -> int | None:
    """The line, from 1, of the key at this path (names; numbers in arrays of tables), or of its nearest parent."""
    lines = _lines(text)
    for length in range(len(keys), 0, -1):
        if keys[:length] in lines:
            return lines[keys[:length]]
    return None


def _lines(text: str) -> dict[Keys, int]:
    found: dict[Keys, int] = {}
    counts: dict[Keys, int] = {}
    table: Keys = ()
    fence: str | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if fence is None:
            if (header := _TABLE.match(line)) is not None:
                path = table = _placed(_names(header[2]), counts, is_array=header[1] == "[[")
            elif (key := _KEY.match(line)) is not None:
                path = table + _names(key[1])
            else:
                path = ()
            for length in range(1, len(path) + 1):
                found.setdefault(path[:length], number)
        fence = _open_fence(line, fence)
    return found


def _names(path: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in re.findall(_PART, path))


def _placed(names: tuple[str, ...], counts: dict[Keys, int], *, is_array: bool) -> Keys:
    """The path of a table, with the number of each array of tables that it stands in."""
    path: Keys = ()
    for name in names[:-1]:
        path += (name,)
        if path in counts:
            path += (counts[path],)
    path += (names[-1],)
    if is_array:
        counts[path] = counts.get(path, -1) + 1
        path += (counts[path],)
    elif path in counts:
        path += (counts[path],)
    return path


def _open_fence(line: str, fence: str | None) -> str | None:
    """The quotes of a text over several lines that is open at the line's end."""
    for mark in _FENCE.findall(line):
        if fence is None:
            fence = mark
        elif mark == fence:
            fence = None
    return fence
