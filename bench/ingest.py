"""What a backend takes in and keeps: ours beside Phoenix and MLflow, by the same load, one after the other.

    python bench/ingest.py [--requests 400] [--connections 4] [--vocabulary native openinference] [--only otelllm …]

Requests of 512 spans (traces of 8 spans of a retrieval agent, 25 attributes and 2.3 kB a span) are sent by a C program
over loopback (`load/otlpload.c`; it takes next to no CPU) as fast as they are answered; every span is a new one. A span
counts as stored once it can be asked for; what is still to come 120 s after the last answer is not waited for. Peers
get a tenth of the requests. Rates swing with what else the machine does: believe the CPU a span.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from load.contestants import CONTESTANTS, Contestant
from load.corpus import SPANS, write_corpus
from overhead.environments import ROOT

PLACE = ROOT / ".cache" / "bench" / "load"
BODIES = 100
STORED_WITHIN_S = 120
SENT_WITHIN_S = 180
COLUMNS = (
    "", "names", "accepted/s", "stored/s", "CPU µs a span", "p50 ms", "p99 ms", "peak MB", "bytes a span", "refused",
    "not stored",
)  # fmt: skip


def sender() -> Path:
    """The load program, compiled where it is older than its source."""
    source, made = Path(__file__).parent / "load" / "otlpload.c", PLACE / "otlpload"
    if not made.exists() or made.stat().st_mtime < source.stat().st_mtime:
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if compiler is None:
            raise SystemExit("there is no C compiler for the load program; on Debian: apt-get install gcc libc6-dev")
        PLACE.mkdir(parents=True, exist_ok=True)
        subprocess.run([compiler, "-O2", "-pthread", "-o", made, source], check=True)
    return made


def corpus(vocabulary: str) -> Path:
    """The requests in one vocabulary, made once."""
    path = PLACE / f"{vocabulary}.otlp"
    PLACE.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.stat().st_mtime < (Path(__file__).parent / "load" / "corpus.py").stat().st_mtime:
        print(f"making {path.relative_to(ROOT)}: {write_corpus(path, BODIES, vocabulary):.0f} bytes a span", flush=True)
    return path


def load(contestant: Contestant, bodies: Path, requests: int, connections: int) -> dict[str, Any]:
    """Send, then wait until all of it is stored; what the load program measured, and the rest."""
    cpu_before, _ = contestant.used()
    began = time.monotonic()
    told = subprocess.run(
        [sender(), bodies, "--port", str(contestant.port), "--conns", str(connections), "--requests", str(requests),
         "--secs", str(SENT_WITHIN_S), *(["--header", contestant.header] if contestant.header else [])],
        check=True, stdout=subprocess.PIPE, text=True,
    ).stdout  # fmt: skip
    found: dict[str, Any] = json.loads(told)
    stored = contestant.stored()
    last = time.monotonic()
    while stored < found["accepted_spans"] and time.monotonic() - last < STORED_WITHIN_S:
        time.sleep(0.05)
        now = contestant.stored()
        last, stored = (time.monotonic(), now) if now > stored else (last, stored)
    cpu, peak = contestant.used()
    return {**found, "stored": stored, "stored_s": last - began, "cpu_s": cpu - cpu_before, "peak_mb": peak}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--vocabulary", nargs="+", default=["native", "openinference"])
    parser.add_argument("--only", nargs="+", default=list(CONTESTANTS), choices=list(CONTESTANTS))
    options = parser.parse_args()
    rows = []
    for vocabulary in options.vocabulary:
        bodies = corpus(vocabulary)
        for name in options.only:
            with tempfile.TemporaryDirectory(dir=PLACE) as folder:
                contestant = CONTESTANTS[name](Path(folder))
                try:
                    found = load(
                        contestant, bodies, max(4, int(options.requests * contestant.share)), options.connections
                    )
                finally:
                    contestant.end()
                size = contestant.size() / max(found["stored"], 1)
            cells = (
                name, vocabulary, f"{found['spans_per_s']:,}", f"{found['stored'] / found['stored_s']:,.0f}",
                f"{found['cpu_s'] / max(found['stored'], 1) * 1e6:.0f}", f"{found['p50_ms']:.0f}",
                f"{found['p99_ms']:.0f}", f"{found['peak_mb']:.0f}", f"{size:.0f}", str(found["bad"]),
                f"{found['accepted_spans'] - found['stored']:,}",
            )  # fmt: skip
            rows.append(f"| {' | '.join(cells)} |")
            print(rows[-1], flush=True)
    print(f"\n{options.connections} connections, {SPANS} spans a request")
    print(f"| {' | '.join(COLUMNS)} |")
    print("|---" * 11 + "|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
