"""Questions come before intake where both want the processor."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from otelllm_collector.asker import ANSWERING_S, Asker
from otelllm_collector.commits import Commits
from otelllm_collector.priority import NICENESS, step_back
from otelllm_collector.stores.duckdb import open_store

if TYPE_CHECKING:
    from pathlib import Path


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a priority for each thread")
def test_a_thread_that_steps_back_does_so_alone() -> None:
    before = niceness()
    with ThreadPoolExecutor(1, initializer=step_back) as threads:
        assert threads.submit(niceness).result() == min(before + NICENESS, 19)
    with ThreadPoolExecutor(1) as threads:
        assert (niceness(), threads.submit(niceness).result()) == (before, before)


def test_threads_give_way_sooner_while_anything_is_answered_and_no_longer(tmp_path: Path) -> None:
    store, usual = open_store(tmp_path), sys.getswitchinterval()
    commits = Commits(store.write, store.tidy)
    both = threading.Barrier(2, timeout=20)

    def question() -> float:
        both.wait()
        return sys.getswitchinterval()

    def failing() -> float:
        raise KeyError("not there")

    async def ask(asker: Asker) -> None:
        found = await asyncio.gather(asker.ask(question), asker.ask(question))
        assert found == [pytest.approx(ANSWERING_S)] * 2
        assert sys.getswitchinterval() == pytest.approx(usual)
        with pytest.raises(KeyError, match="not there"):
            await asker.ask(failing)
        assert sys.getswitchinterval() == pytest.approx(usual)

    with ThreadPoolExecutor(2) as threads:
        asyncio.run(ask(Asker(store, commits, threads, sql_timeout_s=5, sql_row_limit=10)))
    commits.close()
    store.close()
