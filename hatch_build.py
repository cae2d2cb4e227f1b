"""Builds the browser part while the Python package is being built.

`pip install .` is then the whole set-up. Node.js is taken from the machine when it is new enough, else from a
wheel that exists only inside pip's build environment. SERVICE_DESK_BUILD_UI=0 leaves the browser part out.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# pip's build environment does not hold this folder.
sys.path.insert(0, str(Path(__file__).resolve().parent / "tools"))
import node


class UIBuildHook(BuildHookInterface):
    """Hatchling's hook: asked for its dependencies first, then called before the files are gathered."""

    def dependencies(self) -> list[str]:
        """The Node.js wheel, only when it is needed: it is a 61 MB download."""
        return [node.WHEEL] if node.build_is_wanted() and node.system_node() is None else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build what is stale and place it into the wheel. `version` is "standard" or "editable"."""
        if node.build_is_wanted():
            _build()
        if self.target_name == "wheel" and version == "standard" and node.BUILT.is_dir():
            build_data["force_include"][str(node.BUILT)] = "service_desk/_ui"


def _build() -> None:
    try:
        node.build()
    except (RuntimeError, subprocess.CalledProcessError) as problem:
        # Not the exception itself: its trace through pip's tools would bury what npm said.
        reason = "npm failed, see above." if isinstance(problem, subprocess.CalledProcessError) else problem
        sys.exit(
            f"The browser part could not be built: {reason}\n"
            "Is the npm registry out of reach? SERVICE_DESK_BUILD_UI=0 installs the server alone."
        )
