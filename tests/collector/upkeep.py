"""The work that a store does between two commits, done by the test's own thread, which is the writer then."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

    from otelllm_collector.stores.spec import Store

__all__ = ["drive", "driven"]

Done = TypeVar("Done")


def drive(store: Store) -> None:
    """Do all that is to be done."""
    while (wait_s := store.upkeep()) is not None:
        time.sleep(wait_s)  # what the store itself asks its writer to leave to others


def driven(store: Store, job: Future[Done]) -> Done:
    """What a job did."""
    drive(store)
    return job.result(0)
