"""The `otelllm` command. A file here without a leading underscore is a command: `add(subparsers)` and `run(args)`."""

from __future__ import annotations

import argparse
import os
import pkgutil
import sys
from importlib import import_module
from keyword import iskeyword
from typing import TYPE_CHECKING

from ..version import __version__
from ._failure import Failure

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code. A failure that the user can mend is one line on standard error, and 1."""
    try:
        chosen = _parser().parse_args(arguments)
        code: int = chosen.run(chosen)
        sys.stdout.flush()
    except Failure as failure:
        print(f"otelllm: {failure}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # `otelllm query … | head` has read enough. What is still in the buffer must not fail at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130
    return code


def commands() -> list[str]:
    """The names of the commands: the files of this folder. That of `import`, which is Python's own word, ends in _."""
    found = pkgutil.iter_modules(__path__)
    return sorted(module.name.rstrip("_") for module in found if not module.ispkg and not module.name.startswith("_"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="otelllm", description="Observe, limit and improve LLM features in production."
    )
    parser.add_argument("--version", action="version", version=f"otelllm {__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for name in commands():
        import_module(f"{__name__}.{name}{'_' if iskeyword(name) else ''}").add(subparsers)
    return parser
