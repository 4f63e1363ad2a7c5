"""The provider on loopback, tried with the bare SDK: a test bed that lies would make every other test worthless."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import openai
import pytest
from wire import files
from wire.server import CUT, RESET, STALL, Gate, Provider, sse, whole

if TYPE_CHECKING:
    from collections.abc import Iterator

ASK = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def provider() -> Iterator[Provider]:
    it = Provider()
    yield it
    it.close()


@pytest.fixture
def client(provider: Provider) -> Iterator[openai.OpenAI]:
    http = openai.DefaultHttpxClient(verify=False)
    with openai.OpenAI(api_key="sk-test", base_url=provider.url, max_retries=0, http_client=http) as it:
        yield it


def test_a_whole_answer_and_its_request_are_kept(provider: Provider, client: openai.OpenAI) -> None:
    """The SDK reads the file, and the request can be looked at."""
    provider.reply(whole(files.body("openai/chat.json"), x_request_id="req_7"))
    answer = client.chat.completions.create(**ASK)  # type: ignore[call-overload]
    assert answer.choices[0].message.content == "The lighthouse at Skagen was lit in 1858."
    assert answer._request_id == "req_7"
    assert provider.last.json == ASK
    assert provider.last.headers["authorization"] == "Bearer sk-test"


def test_a_gate_holds_the_stream_until_it_is_opened(provider: Provider, client: openai.OpenAI) -> None:
    """What is before the gate arrives; what is behind it does not."""
    first, *rest = files.events("openai/chat_stream.sse")
    gate = Gate()
    provider.reply(sse(first, gate, rest))
    stream = client.chat.completions.create(**ASK, stream=True)  # type: ignore[call-overload]
    assert next(stream).choices[0].delta.role == "assistant"
    gate.wait_reached()
    assert not provider.last.answered.is_set()
    gate.open()
    assert len(list(stream)) == 12


@pytest.mark.parametrize("ending", [CUT, RESET])
def test_a_cut_connection_reaches_the_app_as_an_error(provider: Provider, client: openai.OpenAI, ending: str) -> None:
    """Both kinds of break raise the SDK's error from the iteration."""
    gate = Gate()
    provider.reply(sse(files.events("openai/chat_stream.sse")[0], gate, ending))  # type: ignore[arg-type]
    stream = client.chat.completions.create(**ASK, stream=True)  # type: ignore[call-overload]
    next(stream)
    gate.open()
    with pytest.raises(openai.APIConnectionError) as caught:
        next(stream)
    assert "peer closed" in str(caught.value.__cause__) or "reset by peer" in str(caught.value.__cause__)


def test_silence_ends_in_the_clients_timeout_and_the_server_sees_it_leave(
    provider: Provider, client: openai.OpenAI
) -> None:
    """A stalled answer is the client's to give up on."""
    provider.reply(sse(STALL))
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.05).chat.completions.create(**ASK)  # type: ignore[call-overload]
    provider.last.wait_left()


def test_a_closed_stream_is_seen_upstream(provider: Provider, client: openai.OpenAI) -> None:
    """A client that closes early is noticed while the reply waits at a gate."""
    provider.reply(sse(files.events("openai/chat_stream.sse")[0], Gate()))
    stream = client.chat.completions.create(**ASK, stream=True)  # type: ignore[call-overload]
    next(stream)
    stream.close()
    provider.last.wait_left()


def test_an_unscripted_request_is_refused_and_remembered(provider: Provider, client: openai.OpenAI) -> None:
    """Nobody can send more than the test expects."""
    with pytest.raises(openai.APIStatusError, match="did not expect"):
        client.chat.completions.create(**ASK)  # type: ignore[call-overload]
    assert len(provider.unexpected) == 1


def test_many_connections_at_once(provider: Provider, client: openai.OpenAI) -> None:
    """Answers given at the same time don't mix."""
    provider.always = lambda request: whole(files.edited("openai/chat.json", id=request.json["messages"][0]["content"]))
    got: list[tuple[str, str]] = []

    def ask(name: str) -> None:
        body = {**ASK, "messages": [{"role": "user", "content": name}]}
        got.append((name, client.chat.completions.create(**body).id))  # type: ignore[call-overload]

    threads = [threading.Thread(target=ask, args=(f"n{i}",)) for i in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(name for name, _ in got) == sorted(answer for _, answer in got) == sorted(f"n{i}" for i in range(20))


PATHS = sorted(path for folder in ("anthropic", "openai") for path in (files.FOLDER / folder).iterdir())


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_every_wire_file_says_where_it_is_from_and_can_be_read(path: object) -> None:
    """The first line is a note, the rest is what is sent."""
    name = f"{path.parent.name}/{path.name}"  # type: ignore[attr-defined]
    first = (files.FOLDER / name).read_text().split("\n", 1)[0]
    assert "recorded" in first
    if name.endswith(".sse"):
        assert all(event.startswith((b"data: ", b"event: ")) for event in files.events(name))
    else:
        assert isinstance(files.edited(name), dict)
