"""`make soak`: what takes minutes to show itself, each scenario's figures on a line. By hand, not in CI.

python tests/soak [PATTERN …]      such as 'openai*', '*abandoned*' or kills
"""

from __future__ import annotations

import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from fnmatch import fnmatch
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:1] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "collector")]

from soak import memory  # noqa: E402
from soak.bodies import fuzzed, mutated  # noqa: E402
from soak.clocks import clocks  # noqa: E402
from soak.connections import connections  # noqa: E402
from soak.counted import NotHere  # noqa: E402
from soak.disk import full_disk, full_journal  # noqa: E402
from soak.kills import kills  # noqa: E402
from soak.outage import outage  # noqa: E402

LIMIT_S = 60 * 60
"""All together; each has a limit of its own within."""


def scenarios() -> dict[str, Callable[[Path], str]]:
    """By name; each is given an empty folder and returns its figures, or raises what is wrong."""

    def lives(scenario: memory.Scenario, _: Path) -> str:
        return memory.run(scenario)

    return {
        **{str(one): partial(lives, one) for one in memory.SCENARIOS},
        "kills": kills,
        "outage": outage,
        "full disk": full_disk,
        "full journal": full_journal,
        "clocks": clocks,
        "connections": connections,
        "mutated bodies": mutated,
        "fuzzed bodies": fuzzed,
    }


def main() -> int:
    """Those whose names fit; 1 where one of them fails."""
    patterns = sys.argv[1:] or ["*"]
    chosen = {name: run for name, run in scenarios().items() if any(fnmatch(name, pattern) for pattern in patterns)}
    failed, began = 0, time.monotonic()
    for name, run in chosen.items():
        if time.monotonic() - began > LIMIT_S:
            print(f"{name}: left out, for {LIMIT_S // 60} minutes are over", flush=True)
            failed += 1
            continue
        start = time.monotonic()
        try:
            with tempfile.TemporaryDirectory(prefix="otelllm-soak-") as folder:
                told = run(Path(folder))
        except NotHere as error:
            told = f"left out: {error}"
        except Exception as error:  # whatever it is, the next scenario has its turn
            traceback.print_exc()
            told, failed = f"FAILED: {type(error).__name__}: {error}", failed + 1
        print(f"{name}: {told}; {time.monotonic() - start:.0f} s", flush=True)
    print(f"{len(chosen) - failed} passed, {failed} failed, {time.monotonic() - began:.0f} s")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
