"""The shop's other features on the same model: summaries, search as you type, and sorting of incoming mail."""

from __future__ import annotations

import asyncio

import openai

import otelllm

from .agent import choose
from .client import client
from .knowledge import Note, index, search
from .model import MODEL


@otelllm.workflow(name="summary")
def summary(note: Note, stop_after: int | None = None) -> str:
    """A note in one sentence; `stop_after` chunks the reader leaves, and the stream is closed."""
    text = ""
    with client().chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": f"{note.content}\nIn short:"}],
        max_tokens=40, temperature=0, stream=True, stream_options={"include_usage": True},
    ) as chunks:  # fmt: skip
        for number, chunk in enumerate(chunks, start=1):
            text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
            if number == stop_after:
                break
    return text.strip()


@otelllm.workflow(name="search")
async def find_all(queries: list[str]) -> list[list[Note]]:
    """The notes for several queries, all asked at the same time."""
    index()
    async with openai.AsyncOpenAI() as model:

        async def find(query: str) -> list[Note]:
            answer = await model.embeddings.create(model=MODEL, input=query)
            return search(query, answer.data[0].embedding)

        return await asyncio.gather(*map(find, queries))


@otelllm.workflow(name="suggest")
async def suggest(typed: str, seconds: float) -> str:
    """X."""
    text = ""
    async with asyncio.timeout(seconds), openai.AsyncOpenAI() as model:
        chunks = await model.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": typed}], max_tokens=200, stream=True
        )
        async for chunk in chunks:
            text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
    return text


@otelllm.workflow(name="triage")
def triage(mail: str) -> str:
    """The desk that a customer's mail goes to; a mail longer than the model can read is the caller's problem."""
    return choose(f"{mail}\nThis mail is about", "topic", ["delivery", "repair", "payment"])
