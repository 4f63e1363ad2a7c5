"""Words and pieces of words as places in a sketch: whatever text holds a phrase has all of the phrase's places.

A text is taken as bytes in lower case. Letters, digits and all that is not ASCII make words, everything else parts
them. A word's places are its own and those of each five bytes in a row of it and of the blanks around it: so a phrase's
inner words are looked for whole, while its first and last may be parts of words, and two signs of Chinese or Japanese
(six bytes), where no blank parts words, are enough to look for.

`marks.py` does the same for whole texts at a tenth of the time, compiled; both MUST give the same places.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

__all__ = ["PLACES", "mark_words", "spaced", "wanted"]

PLACES = 1 << 20
"""Of 2,048 messages' text of 1.9 kB a tenth to a sixth is taken: five places together are there by chance once in
10,000 blocks."""

WINDOW = 5

_SPACED = bytes(byte if chr(byte).isalnum() or byte >= 128 else 32 for byte in range(256))
_BLANK = b" "


def spaced(text: str) -> bytes:
    """A text in lower case as words with blanks between them, and one at its end."""
    return (text + " ").encode("utf-8", "surrogatepass").translate(_SPACED)


def wanted(phrase: str) -> list[int]:
    """The places that a text with this phrase (in lower case) must have, those first that say most."""
    text = phrase.encode("utf-8", "surrogatepass").translate(_SPACED)
    words = text.split()
    whole: list[tuple[int, int]] = []
    parts: list[list[int]] = []
    for number, word in enumerate(words):
        # Where the phrase begins or ends inside a word, nobody knows how that goes on.
        before = _BLANK if number or text.startswith(_BLANK) else b""
        after = _BLANK if number < len(words) - 1 or text.endswith(_BLANK) else b""
        if before and after:
            whole.append((len(word), _word_place(word)))
        parts.append(_spread(_window_places(before + word + after)))
    whole.sort(reverse=True)
    turns = [place for turn in _in_turn(parts) for place in turn]
    return list(dict.fromkeys([place for _, place in whole] + turns))


def mark_words(sketch: bytearray, texts: Iterable[bytes], bit: int) -> None:
    """Set a bit at all places of these texts, which are `spaced`."""
    words: set[bytes] = set()
    for text in texts:
        words.update(text.split())
    for word in words:
        for place in _places(word):
            sketch[place] |= bit


@lru_cache(50_000)  # of a language's words most come again in the next block
def _places(word: bytes) -> tuple[int, ...]:
    return (_word_place(word), *_window_places(_BLANK + word + _BLANK))


def _word_place(word: bytes) -> int:
    value = 0
    for byte in word:
        value = (value * 31 + byte) & 0xFFFFFFFF
    return (value ^ (value >> 13)) & (PLACES - 1)


def _window_places(text: bytes) -> list[int]:
    return [
        _window_place(int.from_bytes(text[start : start + WINDOW], "big")) for start in range(len(text) - WINDOW + 1)
    ]


def _window_place(window: int) -> int:
    value = (window & 0xFFFFF) * 40503 + (window >> 20) * 60493
    return (value ^ (value >> 17)) & (PLACES - 1)


def _spread(places: list[int]) -> list[int]:
    """In an order in which those that share most of their bytes are not side by side."""
    return [*places[::WINDOW], *(place for start in range(1, WINDOW) for place in places[start::WINDOW])]


def _in_turn(lists: list[list[int]]) -> list[list[int]]:
    longest = max(map(len, lists), default=0)
    return [[one[turn] for one in lists if turn < len(one)] for turn in range(longest)]
