"""Content on its way onto a span: redacted first, cut then, always valid JSON, never an error."""

from __future__ import annotations

import base64
import enum
import hashlib
import json
import random
import time
import timeit
from collections import deque, namedtuple
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pydantic
import pytest

from otelllm import safely, semconv
from otelllm.capture import Capture, Content, blob
from otelllm.redaction import may_hold_secrets, redact_known

FULL, REDACTED = Capture("full"), Capture("redacted")
NAME = semconv.INPUT_MESSAGES


def message(text: str, role: str = "user") -> dict:
    return {"role": role, "parts": [{"type": "text", "content": text}]}


def tool_call(arguments: object, name: str = "find") -> dict:
    return {"type": "tool_call", "id": "c1", "name": name, "arguments": arguments}


def written(value: object, capture: Capture = FULL, name: str = NAME) -> Content:
    content = Content(capture)
    content.write(name, value)
    return content


# Full: as it is.


def test_full_keeps_what_was_sent():
    messages = [message('Grüße, 世界 🌍\n\t"quoted" \\ \u0000'), message("", "assistant")]
    content = written(messages)
    assert json.loads(content.attributes[NAME]) == messages
    assert (content.truncated, content.redactions) == (False, 0)


def test_off_keeps_nothing():
    content = written([message("secret")], Capture("off"))
    content.write_text(semconv.PROMPT_VARIABLE + "x", "secret")
    assert content.attributes == {}
    assert content.text("secret") is None


def test_a_later_change_of_the_messages_changes_nothing():
    messages = [message("before")]
    content = written(messages)
    messages[0]["parts"][0]["content"] = "after"
    assert "before" in content.attributes[NAME]


class Colour(enum.Enum):
    RED = "red"


class Model(pydantic.BaseModel):
    name: str
    raw: bytes = b"\xff"


@dataclass
class Point:
    x: int
    y: object


Pair = namedtuple("Pair", "left right")


class Client:
    def __repr__(self) -> str:
        raise AssertionError("a repr may hold the key: it is never asked for")


class Angry(dict):
    def items(self):
        raise RuntimeError("no")


def loop() -> list:
    endless: list = [1]
    endless += [endless, endless]
    return endless


def nested(depth: int) -> list:
    value: list = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Model(name="a"), {"name": "a", "raw": {"sha256": hashlib.sha256(b"\xff").hexdigest(), "size": 1}}),
        (Point(1, Colour.RED), {"x": 1, "y": "red"}),
        (Pair(1, {2, 1}), [1, [1, 2]]),
        ({1: "a", None: "b", Colour.RED: 3}, {"1": "a", "None": "b", "red": 3}),
        (frozenset(["b", "a"]), ["a", "b"]),
        (deque([1, 2]), [1, 2]),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00+00:00"),
        ([Decimal("1.5"), Path("a")], ["1.5", "a"]),
        (np.array([1.5, 2.0]), [1.5, 2.0]),
        (np.float32(0.5), 0.5),
        (2**70, str(2**70)),
        (float("nan"), None),
        ("half a pair \ud83d!", "half a pair ?!"),
        ({"\ud83d": 1}, {"?": 1}),
        (KeyError("x"), "KeyError: 'x'"),
        (Client(), "<Client>"),
        (Client, "<Client>"),
        ((number for number in range(3)), "<generator>"),
        ({"client": Client(), "big": 2**70}, {"client": "<Client>", "big": str(2**70)}),
    ],
)
def test_values_of_every_kind_become_json(value, expected):
    assert (
        json.loads(written(value, name=semconv.TOOL_CALL_ARGUMENTS).attributes[semconv.TOOL_CALL_ARGUMENTS]) == expected
    )


def test_a_deep_value_ends_in_a_marker():
    content = written(nested(500), name=semconv.TOOL_CALL_RESULT)
    assert "[deeper]" in content.attributes[semconv.TOOL_CALL_RESULT]


@pytest.mark.parametrize("value", [loop(), [Angry(a=2**70), 2**70]], ids=["endless", "raises"])
def test_what_cannot_be_serialised_is_left_out(value):
    safely.strict(False)
    content = written(value, name=semconv.TOOL_CALL_RESULT)
    assert content.attributes == {}
    assert content.truncated


# Redaction.

SECRETS = {
    "key": [
        "sk-proj-abcdefghijklmnop1234567890",
        "sk-ant-api03-AbCdEf123456-7890_xyzQ",
        "AIzaSyA1234567890abcdefghijklmnopqrstuv",
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "github_pat_11ABCDEFG0abcdefghijkl_mnop",
        "xoxb-123456789012-abcdefghijkl",
        "gsk_abcdefghijklmnopqrstuvwxyz123456",
        "hf_abcdefghijklmnopqrstuvwxyzABCDEFGH",
        "sk_live_abcdefghijklmnop1234",
        "glpat-abcdefghij1234567890",
    ],
    "jwt": ["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P"],
    "email": ["bob@example.com", "Ann.O+tag@mail.example.co.uk", "jürgen@example.de"],
    "card": ["4111 1111 1111 1111", "4111-1111-1111-1111", "5555555555554444", "378282246310005", "3782 822463 10005"],
    "iban": ["DE89 3704 0044 0532 0130 00", "GB29NWBK60161331926819"],
    "private_key": ["-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----"],
}
CASES = [(kind, secret) for kind, secrets in SECRETS.items() for secret in secrets]


@pytest.mark.parametrize(("kind", "secret"), CASES)
@pytest.mark.parametrize("around", ["{}", "my secret is {}.", '"{}"', "a={}\nb", "1234 {} 5678", "世界{} 🌍"])
def test_secrets_with_a_shape_are_replaced_by_their_kind(kind, secret, around):
    text = around.format(secret)
    redacted, count = redact_known(text)
    assert redacted == around.format(f"[redacted:{kind}]")
    assert count == 1
    assert may_hold_secrets(text)
    assert may_hold_secrets(json.dumps(text, ensure_ascii=False))


def test_a_bearer_token_loses_the_token_and_keeps_the_word():
    assert redact_known("Authorization: Bearer abcdefghijklmnop12") == ("Authorization: Bearer [redacted:key]", 1)


def test_credentials_in_an_address_go_and_the_host_stays():
    assert (
        redact_known("postgres://bob:hunter2@db.example.com/x")[0]
        == "postgres://[redacted:credentials]@db.example.com/x"
    )


@pytest.mark.parametrize(
    "text",
    [
        "1732412345678901234",  # nanoseconds
        "0.4111111111111111 and -0.5555555555554444",  # floats of an embedding
        "4111 1111 1111 1112",  # fails Luhn
        "order 3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        "risk-management-of-a-large-team sk-learn-is-a-python-package",
        "the user @bob wrote to me@home",
        "eyJ is how a token begins",
        "GB29 NWBK 6016 1331 9268 18",  # fails its check sum
        "call_abcdefghijklmnopqrstuvwxyz12",
        "gpt-4o-2024-08-06 claude-sonnet-4-5-20250929",
        "Bearer of bad news",
    ],
)
def test_what_only_looks_alike_stays(text):
    assert redact_known(text) == (text, 0)


def test_redaction_reaches_texts_arguments_results_and_keys():
    messages = [
        {"role": "user", "name": "bob@example.com", "parts": [{"type": "text", "content": "I am bob@example.com"}]},
        {"role": "assistant", "parts": [tool_call({"bob@example.com": ["x", {"to": "bob@example.com"}]})]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "{'to':'bob@example.com'}"}]},
    ]
    content = written(messages, REDACTED)
    assert "bob@" not in content.attributes[NAME]
    assert content.redactions == 5
    assert content.attributes[NAME].count("[redacted:email]") == 5


def test_the_users_own_redaction_runs_first_and_on_every_text():
    seen: list[str] = []

    def redact(text: str) -> str:
        seen.append(text)
        return text.replace("Bob", "***")

    messages = [message("Bob, bob@example.com"), {"role": "tool", "parts": [tool_call({"type": "Bob"}, name="Bob")]}]
    content = written(messages, Capture("redacted", redact))
    assert seen == ["Bob, bob@example.com", "Bob"]
    assert json.loads(content.attributes[NAME]) == [
        message("***, [redacted:email]"),
        {"role": "tool", "parts": [tool_call({"type": "***"}, name="Bob")]},
    ]
    assert content.redactions == 3


def test_a_redaction_that_replaces_everything_leaves_the_structure():
    content = written([message("a"), message("b", "assistant")], Capture("redacted", lambda _: "x"))
    assert json.loads(content.attributes[NAME]) == [message("x"), message("x", "assistant")]


def test_the_users_own_redaction_also_holds_in_full_mode_where_known_shapes_stay():
    content = written([message("Bob, bob@example.com")], Capture("full", lambda text: text.replace("Bob", "***")))
    assert json.loads(content.attributes[NAME]) == [message("***, bob@example.com")]


@pytest.mark.parametrize("redact", [lambda text: text[10**9], lambda text: None, lambda text: 1 / 0])
def test_where_redaction_fails_nothing_is_kept(redact):
    safely.strict(False)
    content = Content(Capture("redacted", redact))
    content.write(NAME, [message("secret")])
    content.write_text(semconv.PROMPT_VARIABLE + "x", "secret")
    assert content.text("secret") is None
    assert content.attributes == {}
    assert content.truncated


def test_error_messages_and_variables_are_redacted_too():
    content = Content(REDACTED)
    content.write_text(semconv.PROMPT_VARIABLE + "who", "bob@example.com")
    assert content.attributes == {semconv.PROMPT_VARIABLE + "who": "[redacted:email]"}
    assert content.text("Incorrect API key: sk-proj-abcdefghijklmnop1234") == "Incorrect API key: [redacted:key]"
    assert content.redactions == 2


def test_a_secret_across_the_cut_leaves_no_half():
    """Redact first, then cut: half a key has lost its shape."""
    for start in range(1, 60):
        capture = Capture("redacted", part_bytes=64)
        content = written([message("." * start + " sk-proj-abcdefghijklmnop1234567890 end")], capture)
        assert "sk-proj" not in content.attributes[NAME]


LONG_RUNS = [
    "a",
    "4",
    "4 ",
    "4111 ",
    "a@",
    "a.",
    "sk-",
    "eyJ",
    "eyJaaaaaaaaaa.",
    "GB29 ",
    "AB12",
    "://a:",
    "-----BEGIN ",
    "Bearer ",
    " ",
    "xox",
]


@pytest.mark.parametrize("run", LONG_RUNS)
def test_redaction_takes_linear_time(run):
    """Hostile texts: four times the text takes about four times as long, not sixteen."""

    def took(size: int) -> float:
        text = run * (size // len(run))
        return min(timeit.repeat(lambda: redact_known(text), number=1, repeat=5, timer=time.thread_time))

    assert took(80_000) < 9 * took(20_000) + 0.005


# Cutting.


def random_text(rng: random.Random, size: int) -> str:
    signs = rng.choice(["abc ", "äöü", "世界", "🌍🚀", '"\\\n\x00', 'a世🌍"'])
    return "".join(rng.choices(signs, k=size))


def random_value(rng: random.Random, depth: int = 0) -> object:
    kind = rng.randrange(7 if depth < 3 else 4)
    if kind == 0:
        return rng.choice([None, True, 1, -1.5, 10**18])
    if kind < 4:
        return random_text(rng, rng.choice([0, 3, 50, 900]))
    if kind == 4:
        return [random_value(rng, depth + 1) for _ in range(rng.randrange(12))]
    return {random_text(rng, 5) + str(at): random_value(rng, depth + 1) for at in range(rng.randrange(5))}


def random_messages(rng: random.Random) -> list:
    messages = []
    for _ in range(rng.randrange(1, 15)):
        text = {"type": "text", "content": random_text(rng, rng.choice([1, 100, 2_000]))}
        call = tool_call(random_value(rng))
        messages.append(
            {"role": rng.choice(["user", "assistant"]), "parts": rng.choice([[text], [text, call], [call]])}
        )
    return messages


def size(text: str) -> int:
    return len(text.encode())


@pytest.mark.parametrize("mode", ["full", "redacted"])
def test_whatever_the_content_it_stays_valid_json_within_its_sizes(mode):
    """400 random conversations and values against random limits."""
    rng = random.Random(11)
    cut = 0
    for _ in range(400):
        part_bytes, span_bytes = rng.choice([1, 20, 300, 4_000, 65_536]), rng.choice([0, 5, 200, 9_000, 10**6])
        capture = Capture(mode, part_bytes=part_bytes, span_bytes=span_bytes)
        content = Content(capture)
        messages, arguments = random_messages(rng), random_value(rng)
        content.write(NAME, messages)
        content.write(semconv.TOOL_CALL_ARGUMENTS, arguments)
        content.write_text(semconv.PROMPT_VARIABLE + "x", random_text(rng, 1_000))
        texts = content.attributes
        assert sum(map(size, texts.values())) <= capture.span_bytes
        for part in (p for m in json.loads(texts.get(NAME, "[]")) for p in m["parts"]):
            if part["type"] == "text":
                assert size(part["content"]) <= capture.part_bytes
            else:
                assert part["name"] == "find"
        kept = {NAME: messages, semconv.TOOL_CALL_ARGUMENTS: arguments}
        for name, value in kept.items():
            if name not in texts or json.loads(texts[name]) != value:
                assert content.truncated
                cut += 1
        if not content.truncated:
            assert len(texts) == 3
    assert 150 < cut < 750


def test_a_long_text_is_cut_at_its_limit_and_the_rest_stays():
    content = written([message("a" * 100_000), message("short", "assistant")])
    first, second = json.loads(content.attributes[NAME])
    assert (len(first["parts"][0]["content"]), second) == (65_536, message("short", "assistant"))
    assert content.truncated


@pytest.mark.parametrize("sign", ["ä", "世", "🌍"])
def test_a_character_is_never_split(sign):
    for limit in range(1, 14):
        content = written([message(sign * 10)], Capture("full", part_bytes=limit))
        kept = json.loads(content.attributes[NAME])[0]["parts"][0]["content"]
        assert kept == sign * (limit // size(sign))


def test_a_conversation_beyond_a_megabyte_keeps_every_message_with_shorter_texts():
    messages = [message(f"{number} " + "x" * 10_000) for number in range(200)]
    content = written(messages)
    kept = json.loads(content.attributes[NAME])
    assert [each["parts"][0]["content"].split()[0] for each in kept] == [str(number) for number in range(200)]
    assert size(content.attributes[NAME]) <= 1 << 20


def test_where_not_all_messages_fit_the_newest_stay():
    messages = [message(f"message {number}") for number in range(10_000)]
    kept = json.loads(written(messages, Capture("full", span_bytes=20_000)).attributes[NAME])
    assert kept[-1] == messages[-1]
    assert kept == messages[-len(kept) :]


def test_the_span_limit_counts_all_writes_together():
    capture = Capture("full", span_bytes=100_000)
    content = Content(capture)
    for number in range(5):
        content.write(f"x.{number}", "y" * 40_000)
    assert sum(map(size, content.attributes.values())) <= 100_000
    assert content.truncated


@pytest.mark.parametrize("size", [0, 63, 64, 65, 200])
@pytest.mark.parametrize("sign", ["a", "ä", "🌍"])
@pytest.mark.parametrize("make", [message, lambda text: message("") | {"parts": [tool_call({"q": text})]}])
def test_a_long_conversation_is_cut_where_a_part_is_too_long_and_nowhere_else(make, sign, size):
    """The short way, which looks at the parts without reading the whole back, and the long one agree."""
    messages = [message("x" * 40)] * 5 + [make(sign * size)]
    written_ = written(messages, Capture("full", part_bytes=200))
    kept = json.loads(written_.attributes[NAME])
    inner = messages[-1]["parts"][0].get("arguments", sign * size)
    is_long = len((inner if isinstance(inner, str) else json.dumps(inner, ensure_ascii=False)).encode()) > 200
    assert (kept == messages, written_.truncated) == (not is_long, is_long)
    assert kept[:5] == messages[:5]


def test_a_long_error_message_is_cut():
    content = Content(FULL)
    assert content.text("x" * 100_000) == "x" * 65_536
    assert content.truncated


# Blobs.


PNG = {"type": "blob", "mime_type": "image/png", "modality": "image"}


def test_a_blob_is_its_hash_and_size_without_its_content():
    data = bytes(range(256))
    expected = {**PNG, "sha256": hashlib.sha256(data).hexdigest(), "size": 256}
    text = base64.b64encode(data).decode()
    assert blob("image/png", "image", data) == expected
    assert blob("image/png", "image", text) == expected
    assert blob("image/png", "image", f"data:image/png;base64,{text}") == expected


def test_a_blob_that_is_not_base64_has_no_hash():
    assert blob("image/png", "image", "not base64!") == {**PNG, "size": 11}
