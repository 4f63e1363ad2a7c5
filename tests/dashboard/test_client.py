"""The client against a real collector, against nothing, and against a stranger."""

from __future__ import annotations

import http.server
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from otelllm_dashboard.client import Client, CollectorAway, NotFound, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dashboard.seeds import Seeds


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    """A client of the seeded collector."""
    client = Client(url + "/")
    yield client
    client.close()


def test_pages_of_traces_follow_one_another(client: Client) -> None:
    first = client.traces({}, limit=3)
    second = client.traces({}, limit=3, cursor=first["next"])
    ids = [one["trace_id"] for one in first["traces"] + second["traces"]]
    assert len(set(ids)) == 6


def test_the_agents_trace_has_what_was_sent(client: Client, seeds: Seeds) -> None:
    answer = client.trace(seeds.agent)
    assert answer["trace"]["calls"] == 5
    assert answer["trace"]["ttft_ms"] == 312
    assert answer["spans"][0]["name"] == "invoke_workflow support"
    detail = client.span(seeds.agent, seeds.ids["answer"])
    assert detail["stream_end"] == "complete"
    assert detail["output_messages"] is not None


def test_sums_facets_and_sql(client: Client) -> None:
    assert {row["key"] for row in client.aggregates("feature", "none", {})} >= {"support", "drafts", "tags"}
    assert "ada" in {facet["value"] for facet in client.facets("user", {})}
    assert client.sql("select count(*) as n from spans where operation = 'rerank'")["rows"] == [[1]]


def test_a_refusal_says_the_collectors_reason(client: Client) -> None:
    with pytest.raises(Refused, match="DELETE is not allowed"):
        client.sql("delete from spans")


def test_an_unknown_trace_is_not_found(client: Client) -> None:
    with pytest.raises(NotFound):
        client.trace("0" * 31 + "1")


def test_an_id_from_the_address_bar_cannot_reach_another_path(client: Client) -> None:
    with pytest.raises(Refused):
        client.trace("../../healthz")


def test_a_collector_that_is_away_is_named_with_its_address_and_the_way_out() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        client = Client(url)
        with pytest.raises(CollectorAway, match="otelllm collector") as caught:
            client.traces({})
        client.close()
    assert url in str(caught.value)


def test_a_server_that_is_no_collector_is_told_apart() -> None:
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>hello</html>")

        def log_message(self, *_: object) -> None: ...

    with http.server.HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        client = Client(f"http://127.0.0.1:{server.server_port}")
        with pytest.raises(CollectorAway, match="not a collector"):
            client.traces({})
        client.close()
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("url", ["", "localhost:4318", "ftp://x", "http://"])
def test_an_address_that_is_none_is_refused_with_one_that_works(url: str) -> None:
    with pytest.raises(ValueError, match=r"try 'http://127.0.0.1:4318'"):
        Client(url)


def test_a_proxy_of_the_environment_is_not_asked_for_loopback(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    client = Client(url)
    assert client.traces({}, limit=1)["traces"]
    client.close()
