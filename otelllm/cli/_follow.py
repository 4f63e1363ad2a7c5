"""Run a module as `python -m` does, until it ends or the process that started it is gone, however that went.

Run by path with `-P`, so that nothing of otelllm is imported and no file beside this one hides a package.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading


def _follow() -> None:
    # Nobody writes here: the read returns when the other end is closed, which a killed parent's is too. Not by
    # sys.stdin: a thread that holds its lock makes the interpreter abort at exit.
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_follow, daemon=True).start()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
