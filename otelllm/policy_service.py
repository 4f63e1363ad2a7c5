"""The policy that a collector hands out, followed by long poll: a change is in force within a second of its push."""

from __future__ import annotations

import http.client
import logging
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from urllib.parse import urlencode, urlsplit

from opentelemetry.context import attach, detach, set_value

from .errors import BadConfig
from .lasting_threads import LastingThread
from .policy import Policy, parse
from .safely import safely

__all__ = ["PolicyService"]

log = logging.getLogger(__name__)

WAIT_S = 50
"""How long one question may stay open: below the minute after which proxies cut what is silent."""
PATIENCE_S = 10.0
"""Beyond that, and for the connection."""
PAUSE_S, LONGEST_PAUSE_S = 0.5, 15.0
"""Between questions to a collector that is away."""
SOON_S = 1.0
MOST_BYTES = 1 << 20


class PolicyService:
    """Asks `url` for its policy again and again; a good one goes to `on_change`, what can't be used is logged once.

    A collector that is away, or that has no policy, changes nothing: the policy before stays in force.
    """

    def __init__(self, url: str, key: str | None, on_change: Callable[[Policy], None]) -> None:
        self._url, self._key, self._on_change = urlsplit(url), key, on_change
        self._version = ""
        self._told = ""
        self._connection: http.client.HTTPConnection | None = None
        self._thread = LastingThread("otelllm-policy-service", self._follow)

    def start(self) -> None:
        """Follow from now on; asks at once, and waits for no answer."""
        self._thread.start()

    def stop(self) -> None:
        """Follow no more; a question that is open is hung up."""
        connection = self._connection
        sock = None if connection is None else connection.sock
        if sock is not None:
            with suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        self._thread.stop()

    def _follow(self, stopped: threading.Event) -> None:
        # A context of its own: what the app's other instrumentation would say of these requests helps nobody.
        token = attach(set_value("suppress_instrumentation", True))
        pause_s = PAUSE_S
        try:
            while not stopped.is_set():
                if self._ask():
                    pause_s = PAUSE_S
                else:
                    stopped.wait(pause_s)
                    pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
        finally:
            detach(token)

    def _ask(self) -> bool:
        """One question; whether the collector answered as it should."""
        kind = http.client.HTTPSConnection if self._url.scheme == "https" else http.client.HTTPConnection
        began = monotonic()
        connection = self._connection = kind(self._url.netloc, timeout=WAIT_S + PATIENCE_S)
        try:
            arguments = urlencode({"wait": WAIT_S, "version": self._version})
            headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
            connection.request("GET", f"{self._url.path.rstrip('/')}/v1/policy?{arguments}", headers=headers)
            answer = connection.getresponse()
            text = answer.read(MOST_BYTES).decode()
            if answer.status in {304, 404}:  # no other one, or none at all; at once it is somebody else who answers
                return monotonic() - began > SOON_S
            return self._take(answer.status, text, answer.headers.get("etag", ""))
        except (OSError, http.client.HTTPException, UnicodeDecodeError) as error:
            self._tell(f"the policy service does not answer ({type(error).__name__})")
            return False
        finally:
            connection.close()

    def _take(self, status: int, text: str, etag: str) -> bool:
        if status != 200:
            self._tell(f"the policy service refuses us with {status}; is OTELLLM_KEY a key of it that may read?")
            return False
        self._version = etag.removeprefix("W/").strip('"')
        try:
            policy = parse(text, "policy of the collector")
        except BadConfig as error:
            self._tell(f"otelllm keeps its old policy: {error}")
            return True
        self._told = ""
        with safely("taking a policy"):
            self._on_change(policy)
        return True

    def _tell(self, reason: str) -> None:
        if reason != self._told:
            self._told = reason
            log.warning("%s (%s)", reason, self._url.netloc)
