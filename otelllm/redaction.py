"""Secrets and personal data that have a shape: found in a text and replaced by a marker that names their kind."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["forget_keys", "has_keys", "hide", "hide_keys", "holds_keys", "may_hold_secrets", "redact_known"]


class Shape(NamedTuple):
    """One kind of secret. A text without any of the needles cannot hold it: `in` is 50 times faster than a search."""

    kind: str
    needles: tuple[str, ...]
    pattern: re.Pattern[str]
    is_real: Callable[[str], bool] = bool


def _passes_luhn(text: str) -> bool:
    digits = [int(digit) for digit in text if digit.isdigit()]
    doubled = (digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2])
    # All zeros pass the sum too; no issuer begins with 0.
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _passes_iban(text: str) -> bool:
    code = text.replace(" ", "")
    return 15 <= len(code) <= 34 and int("".join(str(int(sign, 36)) for sign in code[4:] + code[:4])) % 97 == 1


# Each pattern is anchored on the left (a look-behind or a rare literal), so that a long run of one letter costs one
# attempt and not one for each position: test_redaction_takes_linear_time.
SHAPES = (
    Shape(
        "private_key",
        ("-----BEGIN",),
        re.compile(r"-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----[^-]*(?:-----END [A-Z ]{0,32}PRIVATE KEY-----)?"),
    ),
    Shape("jwt", ("eyJ",), re.compile(r"(?<![\w-])eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?", re.ASCII)),
    Shape("credentials", ("://",), re.compile(r"(?<=://)[^\s/?#@\"'<>]{1,128}:[^\s/?#@\"'<>]{1,256}(?=@)")),
    Shape(
        "key",
        ("sk-", "sk_", "rk_", "pk_"),
        re.compile(r"(?<![A-Za-z0-9])(?:sk-|[srp]k_(?:live|test)_)(?=[A-Za-z_-]{0,64}[0-9])[\w-]{16,}", re.ASCII),
    ),
    Shape("key", ("AIza",), re.compile(r"(?<![A-Za-z0-9])AIza[\w-]{30,}", re.ASCII)),
    Shape("key", ("AKIA", "ASIA"), re.compile(r"(?<![A-Za-z0-9])A[KS]IA[0-9A-Z]{16}(?![0-9A-Za-z])")),
    Shape(
        "key", ("gh", "glpat-"), re.compile(r"(?<![A-Za-z0-9])(?:gh[pousr]_[A-Za-z0-9]{30,}|glpat-[\w-]{20,})", re.A)
    ),
    Shape("key", ("github_pat_",), re.compile(r"(?<![A-Za-z0-9])github_pat_\w{22,}", re.ASCII)),
    Shape("key", ("xox", "xapp-"), re.compile(r"(?<![A-Za-z0-9])(?:xox[abeprs]|xapp)-[A-Za-z0-9-]{10,}")),
    Shape(
        "key",
        ("hf_", "gsk_", "xai-", "pplx-", "r8_", "tvly-"),
        re.compile(r"(?<![A-Za-z0-9])(?:hf_|gsk_|xai-|pplx-|r8_|tvly-)[A-Za-z0-9]{24,}"),
    ),
    Shape("key", ("earer", "EARER"), re.compile(r"(?<=\bbearer )[ ]?[\w.~+/=-]{16,}", re.ASCII | re.IGNORECASE)),
    Shape(
        "email",
        ("@",),
        re.compile(
            r"(?<![A-Za-z0-9À-ɏ._%+-])[A-Za-z0-9À-ɏ._%+-]{1,256}@"
            r"[A-Za-z0-9À-ɏ-]{1,63}(?:\.[A-Za-z0-9À-ɏ-]{1,63}){0,8}\.[A-Za-z]{2,24}"
        ),
    ),
)

# These have no needle; a prefix of character classes is searched fast.
CARD = Shape(
    "card",
    (),
    re.compile(
        r"(?<![A-Za-z0-9_.-])(?:[2-6][0-9]{12,18}"
        r"|[2-6][0-9]{3}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{4}(?:\1[0-9]{3})?"
        r"|3[0-9]{3}([ -])[0-9]{6}\2[0-9]{4,5})(?![0-9])"
    ),
    _passes_luhn,
)
IBAN = Shape(
    "iban",
    (),
    re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])"),
    _passes_iban,
)
_DIGITS = re.compile(r"[2-6][0-9][0-9][0-9][ -]?[0-9]{4}")
_IBAN_HEAD = re.compile(r"[A-Z][A-Z][0-9][0-9] ?[A-Z0-9]{4}")


_keys: dict[str, str] = {}
"""The policy's API keys, and what stands in their place, in whatever mode content is kept."""


def hide(key: str, name: str) -> None:
    """From now on `key` is in nothing that we write: providers' error texts repeat it."""
    _keys[key] = f"[key {name}]"


def forget_keys() -> None:
    """Nothing is written any more."""
    _keys.clear()


def has_keys() -> bool:
    """Whether the policy has keys at all."""
    return bool(_keys)


def holds_keys(text: str) -> bool:
    """Whether a key of the policy is in this text, or in this JSON."""
    return any(key in text for key in _keys)


def hide_keys(text: str) -> tuple[str, int]:
    """The text without the policy's keys, and how many there were."""
    count = 0
    for key, marker in _keys.items():
        if found := text.count(key):
            text = text.replace(key, marker)
            count += found
    return text, count


def may_hold_secrets(text: str) -> bool:
    """Whether `redact_known` could change this text, or the text inside this JSON: false alarms, never misses."""
    if _keys and holds_keys(text):
        return True
    for shape in SHAPES:
        for needle in shape.needles:
            if needle in text:
                return True
    return _DIGITS.search(text) is not None or _IBAN_HEAD.search(text) is not None


def redact_known(text: str) -> tuple[str, int]:
    """The text with every known shape replaced by [redacted:KIND], and how many there were. Pure."""
    text, count = hide_keys(text)
    for shape in SHAPES:
        if any(needle in text for needle in shape.needles):
            text, found = shape.pattern.subn(f"[redacted:{shape.kind}]", text)
            count += found
    for shape, head in ((CARD, _DIGITS), (IBAN, _IBAN_HEAD)):
        if head.search(text) is not None:
            text, found = _replace_real(shape, text)
            count += found
    return text, count


def _replace_real(shape: Shape, text: str) -> tuple[str, int]:
    """Replace what passes its check sum too. What does not is passed over by one sign: a real one may begin in it."""
    kept: list[str] = []
    done = at = 0
    while (match := shape.pattern.search(text, at)) is not None:
        if not shape.is_real(match[0]):
            at = match.start() + 1
            continue
        kept += [text[done : match.start()], f"[redacted:{shape.kind}]"]
        done = at = match.end()
    return "".join((*kept, text[done:])), len(kept) // 2
