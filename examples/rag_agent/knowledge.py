"""What the agent knows: a dozen short texts, found by meaning and then put in order by shared words."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import otelllm

from .client import client
from .model import MODEL

FOUND, KEPT = 5, 3


@dataclass(frozen=True)
class Note:
    """One text of the knowledge base, and how well it fits the question."""

    id: str
    content: str
    score: float = 0.0


@dataclass(frozen=True)
class Index:
    """Every note with its vector, in memory; less the vectors' mean, which is what all the texts have in common."""

    notes: tuple[Note, ...]
    vectors: tuple[tuple[float, ...], ...]
    mean: tuple[float, ...]


@cache
def index() -> Index:
    """The index, embedded once a process."""
    files = sorted(Path(__file__).with_name("documents").glob("*.txt"))
    notes = tuple(Note(file.stem, file.read_text("utf-8").strip()) for file in files)
    vectors = embed([note.content for note in notes])
    mean = tuple(sum(column) / len(vectors) for column in zip(*vectors, strict=True))
    return Index(notes, tuple(_minus(vector, mean) for vector in vectors), mean)


def embed(texts: list[str]) -> list[list[float]]:
    """One vector a text."""
    answer = client().embeddings.create(model=MODEL, input=texts)
    return [item.embedding for item in answer.data]


@otelllm.task(name="retrieval")
def find_notes(question: str) -> list[Note]:
    """The notes to answer `question` from."""
    [vector] = embed([question])
    return rerank(question, search(question, vector))


@otelllm.retrieval(name="product-notes")
def search(query: str, vector: list[float], limit: int = FOUND) -> list[Note]:
    """The notes nearest to the query's vector, by cosine."""
    known = index()
    wanted = _minus(vector, known.mean)
    scored = (
        Note(note.id, note.content, _cosine(wanted, v)) for note, v in zip(known.notes, known.vectors, strict=True)
    )
    return sorted(scored, key=lambda note: -note.score)[:limit]


@otelllm.rerank(name="shared-words")
def rerank(question: str, documents: list[Note], top_n: int = KEPT) -> list[Note]:
    """The documents that share the most, and the rarest, words with the question."""
    asked = _words(question)
    texts = [_words(note.content) for note in index().notes]

    def weight(note: Note) -> float:
        shared = asked & _words(note.content)
        return sum(math.log(1 + len(texts) / sum(word in text for text in texts)) for word in shared)

    scored = (Note(note.id, note.content, weight(note)) for note in documents)
    return sorted(scored, key=lambda note: -note.score)[:top_n]


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]{3,}", text.lower()))


def _minus(vector: list[float], mean: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(a - b for a, b in zip(vector, mean, strict=True))


def _cosine(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True)) / (math.hypot(*a) * math.hypot(*b))
