"""Builds a wheel with the search compiled, where the hook is enabled: see `streams/compiling.py`.

HATCH_BUILD_HOOK_ENABLE_CUSTOM=true pip install .
"""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompiledSearch(BuildHookInterface):  # type: ignore[type-arg, misc] - It ships no types.
    """Adds the compiled modules beside their sources."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Compile before the wheel is put together."""
        self.scratch = TemporaryDirectory()
        tree = Path(self.scratch.name) / "tree"
        subprocess.run(  # noqa: S603 - Our own module.
            [sys.executable, "-m", "streams.compiling", tree], cwd=self.root, check=True
        )
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        for made in [*tree.rglob("*.so"), *tree.rglob("*.pyd")]:
            build_data["force_include"][str(made)] = made.relative_to(tree).as_posix()

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Clean up."""
        self.scratch.cleanup()
