"""A contestant's process: `python -m overhead NAME` answers each line, a JSON task, with a line of JSON.

python -m overhead NAME start    times the start instead
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings

from .contestants import CONTESTANTS


def _start(name: str) -> dict[str, float]:
    """What import and switching on cost where the app has the SDK and OpenTelemetry already: ms and MiB."""
    import openai

    from .measure import resident
    from .telemetry import Telemetry

    openai.OpenAI(api_key="k").chat.completions  # noqa: B018  makes the SDK import it
    telemetry = Telemetry()
    held = resident()
    wall, cpu = time.perf_counter(), time.process_time()
    if (start := CONTESTANTS[name].start) is not None:
        start(telemetry)
    return {
        "wall": (time.perf_counter() - wall) * 1e3, "cpu": (time.process_time() - cpu) * 1e3, "held": resident() - held
    }  # fmt: skip


def _serve(name: str) -> None:
    from .measure import Bed, memory, stream_memory

    bed = Bed(CONTESTANTS[name])
    bed.prove()
    print("ready", flush=True)
    for line in sys.stdin:
        task = json.loads(line)
        kind = task.pop("kind")
        if kind == "round":
            answer: object = bed.round(task["workload"], backwards=task["backwards"])
        elif kind == "everywhere":
            answer = bed.everywhere(backwards=task["backwards"])
        elif kind == "memory":
            answer = memory(bed, task["state"], task["calls"])
        else:
            answer = stream_memory(bed, task["state"], task["chunks"])
        print(json.dumps(answer), flush=True)


def main() -> None:
    """Serve until the input ends."""
    warnings.simplefilter("ignore")  # contestants' deprecations are theirs
    name = sys.argv[1]
    if sys.argv[2:] == ["start"]:
        print(json.dumps(_start(name)), flush=True)
    else:
        _serve(name)
    sys.stdout.flush()
    os._exit(0)  # no exporter waits for a collector that isn't there


main()
