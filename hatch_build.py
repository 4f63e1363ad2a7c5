"""`OTELLLM_COMPILED=1 python -m build --wheel` makes a wheel of this platform, the collector's hot modules compiled in
it; without, the wheel is pure Python and runs everywhere.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

MADE = Path("collector") / "otelllm_collector" / "_native"


class CompileHook(BuildHookInterface):  # type: ignore[type-arg]  # generic in its configuration only by hatchling's stubs
    """Compiles before a wheel is put together."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What the build needs besides."""
        return ["mypy[mypyc]>=1.15"] if self._is_wanted() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, and say that the wheel is no longer for every platform."""
        if version == "editable" or not self._is_wanted():
            return
        root = Path(self.root)
        subprocess.run([sys.executable, str(root / "scripts" / "native.py")], check=True)  # noqa: S603  our own script
        for made in sorted((root / MADE).rglob("*")):
            if made.suffix in {".so", ".pyd", ".sha256"} and not made.name.startswith("."):
                inside = made.relative_to(root / "collector")
                build_data["force_include"][str(made)] = str(inside)
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    @staticmethod
    def _is_wanted() -> bool:
        return os.environ.get("OTELLLM_COMPILED") == "1"
