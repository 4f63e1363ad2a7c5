"""A support agent: it finds notes, asks the shop's own tool where a parcel is, answers, and checks its answer."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import otelllm

from .client import client
from .knowledge import find_notes
from .model import MODEL

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam

    from .knowledge import Note

ORDERS = {"A-1001": "delivered on Monday", "A-1002": "on its way, due tomorrow"}
ORDER_NUMBER = re.compile(r"\bA-\d{4}\b")
E_MAIL_OR_CARD = re.compile(r"[\w.+-]+@[\w-]+\.\w+|\b(?:\d[ -]?){13,16}\b")


@otelllm.workflow(name="support")
def answer(question: str) -> str:
    """The answer to a customer's question."""
    notes = find_notes(question)
    text = write(question, notes)
    check(question, text)
    return text


@otelllm.agent(name="generation")
def write(question: str, notes: list[Note]) -> str:
    """An answer from the notes and, where the question names an order, from what the order tool says."""
    facts = [note.content for note in notes]
    if orders := ORDER_NUMBER.findall(question):
        facts.append(ask_tool(question, orders))
    messages: list[ChatCompletionMessageParam] = [
        {"role": "system", "content": "Answer in one short sentence from these notes.\n" + "\n".join(facts)},
        {"role": "user", "content": question},
    ]
    chunks = client().chat.completions.create(
        model=MODEL, messages=messages, max_tokens=40, temperature=0, stop=["\n"],
        stream=True, stream_options={"include_usage": True},
    )  # fmt: skip
    with chunks:
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices).strip()


def ask_tool(question: str, orders: list[str]) -> str:
    """Let the model choose what to look up, look it up, and give the result in words."""
    tool: ChatCompletionToolParam = {
        "type": "function",
        "function": {
            "name": "order_status",
            "description": "Where a customer's order is",
            "parameters": {
                "type": "object",
                "properties": {"order": {"type": "string", "enum": orders}},
                "required": ["order"],
                "additionalProperties": False,
            },
        },
    }
    asked = client().chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": question}], tools=[tool],
        max_tokens=48, temperature=0, stop=["</tool_call>"],
    )  # fmt: skip
    for call in asked.choices[0].message.tool_calls or []:
        if call.type == "function" and call.function.name == "order_status":
            return order_status(**json.loads(call.function.arguments))
    return "The state of the order is not known."


@otelllm.tool
def order_status(order: str) -> str:
    """Where an order is, from the shop's records."""
    if order not in ORDERS:
        raise LookupError(f"order {order!r} is not in the shop's records")
    return f"Order {order} is {ORDERS[order]}."


@otelllm.task(name="output check")
def check(question: str, text: str) -> str:
    """The model's own verdict on an answer; refused outright when empty, or with an address or a card number in it."""
    if not text:
        raise ValueError("the answer is empty")
    if E_MAIL_OR_CARD.search(text):
        raise ValueError("the answer has an e-mail address or a card number in it")
    return choose(f"Question: {question}\nAnswer: {text}\nDoes the answer fit?", "verdict", ["fits", "off topic"])


def choose(prompt: str, name: str, words: list[str]) -> str:
    """One of `words`, chosen by the model under a JSON schema."""
    schema = {
        "type": "object",
        "properties": {name: {"type": "string", "enum": words}},
        "required": [name],
        "additionalProperties": False,
    }
    chosen = client().chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": prompt}], max_tokens=40, temperature=0,
        frequency_penalty=2,  # else this model fills the answer with blanks, which JSON allows
        response_format={"type": "json_schema", "json_schema": {"name": name, "schema": schema, "strict": True}},
    )  # fmt: skip
    return str(json.loads(chosen.choices[0].message.content or "{}").get(name))
