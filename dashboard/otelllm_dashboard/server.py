"""Streamlit's server as a child that never outlives its launcher."""

from __future__ import annotations

import os
import signal
import sys
import threading

from streamlit.web.cli import main


def _end_with_parent() -> None:
    """Standard input is a pipe that the launcher holds and never writes to: it ends when the launcher does."""
    # Not through sys.stdin: its lock, held by this thread, makes the interpreter abort when it shuts down.
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    main(args=["run", *sys.argv[1:]], prog_name="streamlit")
