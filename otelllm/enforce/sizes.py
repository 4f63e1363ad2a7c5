"""How many tokens a request will use, before it is sent: as it is likely, or at most.

`normal` is the size of the text times what this model's own counts have shown, and the 95th percentile of what this
feature's answers took. `strict` is a bound: no tokenizer makes more tokens of a text than it has bytes in UTF-8, and no
answer is longer than the limit that is sent with it.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from typing import Any, NamedTuple

from .. import semconv
from ..attempt import Target
from ..call import Call
from ..estimate import OF_TEXT
from .measuring import Measured

__all__ = ["Size", "Sizes", "Unbounded"]

TOKENS_PER_CHARACTER = 0.25
STEP = 0.2
LEAST, MOST = 0.25, 8.0
REMEMBERED = 1024
ANSWERS_KEPT = 128
PERCENTILE = 0.95
UNKNOWN_ANSWER = 1024
"""Tokens of an answer before the first has come, where no limit is sent."""

# Around a message or part; and what providers write around tools (Anthropic's is the longest known: 700 and more).
TOKENS_PER_OBJECT = 16
TOKENS_OF_TOOLS = 2048
# The most that a picture may cost, by model. OpenAI's small models multiply their tiles; patches end at 1,536 times the
# model's own factor; Anthropic's newest read 4,784, Gemini's at the highest resolution 2,240 and 16 tiles of 258.
PICTURE_AT_MOST = (
    ("gpt-4o-mini", 48_169), ("gpt-4o", 1_445), ("gpt-4.1-mini", 2_489), ("gpt-4.1-nano", 3_779), ("gpt-4.1", 1_445),
    ("o4-mini", 2_642), ("o1", 1_275), ("o3", 1_275), ("claude", 4_784), ("gemini", 4_128), ("", 48_169),
)  # fmt: skip
LIKELY_PICTURE = 1_000
# A second of sound takes 10 tokens (OpenAI), 25 or 32 (Gemini); of moving pictures 263 to 290. No codec in use needs
# less than 500 bytes for a second of sound, nor less than 5,000 for one with pictures.
BYTES_PER_TOKEN_OF_SOUND = 15
# A page costs its text and its picture, together not more than 6,000 tokens; an empty one takes 100 bytes.
TOKENS_PER_PAGE, BYTES_PER_PAGE, PAGES_AT_MOST = 6_000, 100, 1_000
LIKELY_BYTES_PER_TOKEN_OF_FILES = 40


class Size(NamedTuple):
    """Tokens that one attempt may use."""

    input: float
    output: float


class Unbounded(Exception):  # noqa: N818  caught by the rule that asked for a bound
    """There is no bound for this request; the text says why, and the way out."""


class Sizes:
    """What is known of models and features; it learns from each answer, and forgets the oldest."""

    def __init__(self) -> None:
        self._ratios: dict[tuple[str, str | None], float] = {}
        self._answers: dict[tuple[str | None, str | None], _Answers] = {}

    def likely(self, call: Call, target: Target, found: Measured) -> Size:
        """What a request takes, as far as others of its kind tell."""
        model = target.model or call.request.model
        text = found.chars * TOKENS_PER_CHARACTER * self._ratios.get((call.provider, model), 1.0)
        others = found.pictures * LIKELY_PICTURE + found.sounds / 500 + found.files / LIKELY_BYTES_PER_TOKEN_OF_FILES
        if call.operation not in OF_TEXT:
            return Size(text + others, 0.0)
        limit = _limit(call, target)
        seen = self._answers.get((call.scope.feature, model))
        likely = UNKNOWN_ANSWER if seen is None else seen.percentile()
        return Size(text + others, likely if limit is None else min(likely, limit))

    def at_most(self, call: Call, target: Target, found: Measured) -> Size:
        """What a request takes at most; raises `Unbounded` where nobody can tell."""
        if found.unseen:
            raise Unbounded(f'{found.unseen} is read at the provider and can\'t be counted; use estimate = "normal"')
        model = (target.model or call.request.model or "").lower()
        picture = next(most for name, most in PICTURE_AT_MOST if name in model)
        pages = min(found.files / BYTES_PER_PAGE + 1, PAGES_AT_MOST) if found.files else 0
        taken = (
            found.bytes
            + found.objects * TOKENS_PER_OBJECT
            + TOKENS_OF_TOOLS * found.tools
            + found.pictures * picture
            + found.sounds / BYTES_PER_TOKEN_OF_SOUND
            + max(pages * TOKENS_PER_PAGE, 0)
        )
        if call.operation not in OF_TEXT:
            return Size(taken, 0.0)
        limit = _limit(call, target)
        if limit is None:
            raise Unbounded("no output limit is sent; send max_tokens, or set default_max_tokens in [[outputs]]")
        return Size(taken, limit)

    def learn(self, call: Call, found: Measured) -> None:
        """From what the provider counted."""
        usage = call.reading.usage
        if usage is None or usage.estimated:
            return
        model = call.request.model
        is_text = not (found.pictures or found.sounds or found.files or found.unseen)
        if usage.input and is_text and found.chars >= 16:
            key = (call.provider, model)
            _make_room(self._ratios, key)
            ratio = self._ratios.get(key, 1.0)
            seen = min(max(usage.input / (found.chars * TOKENS_PER_CHARACTER), LEAST), MOST)
            self._ratios[key] = ratio + STEP * (seen - ratio)
        if usage.output is not None and call.operation in OF_TEXT:
            of = (call.scope.feature, model)
            if of not in self._answers:
                _make_room(self._answers, of)
                self._answers[of] = _Answers()
            self._answers[of].saw(usage.output)


class _Answers:
    """The lengths of a feature's last answers."""

    __slots__ = ("_last", "_sorted")

    def __init__(self) -> None:
        self._last: deque[int] = deque()
        self._sorted: list[int] = []

    def saw(self, tokens: int) -> None:
        self._last.append(tokens)
        insort(self._sorted, tokens)
        if len(self._last) > ANSWERS_KEPT:
            del self._sorted[bisect_left(self._sorted, self._last.popleft())]

    def percentile(self) -> int:
        return self._sorted[min(int(len(self._sorted) * PERCENTILE), len(self._sorted) - 1)]


def _make_room(known: dict[Any, Any], key: object) -> None:
    if key not in known and len(known) >= REMEMBERED:
        del known[next(iter(known))]


def _limit(call: Call, target: Target) -> float | None:
    """The tokens that all answers together may have, as far as a limit is sent."""
    limit = target.max_tokens
    if limit is None:
        said = call.request.attributes.get(semconv.REQUEST_MAX_TOKENS)
        limit = said if isinstance(said, int) else None
    if limit is None:
        return None
    choices = call.request.attributes.get(semconv.REQUEST_CHOICE_COUNT, 1)
    return float(limit * choices) if isinstance(choices, int) else float(limit)
