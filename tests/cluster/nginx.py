"""nginx with the file that we ship, where the machine has it."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

SHIPPED = Path(__file__).resolve().parents[2] / "config" / "proxy.conf"
NGINX_HINT = "nginx not found. Install: apt-get install nginx-light, or set SERVICE_DESK_TEST_NGINX to it"


def find_nginx() -> str | None:
    """Named, or in PATH."""
    return os.environ.get("SERVICE_DESK_TEST_NGINX") or shutil.which("nginx")


def proxy_file(folder: Path, port: int, nodes: Sequence[str]) -> Path:
    """The file with ports of this machine, and everything that nginx writes in a folder of ours."""
    text = SHIPPED.read_text(encoding="utf-8")
    for number, node in enumerate(nodes, 1):
        text = text.replace(f"desk-{number}:8080", node)
    text = text.replace("listen 8080;", f"listen 127.0.0.1:{port};").replace("/tmp/", f"{folder}/")
    file = folder / "proxy.conf"
    file.write_text(text, encoding="utf-8")
    return file


@contextlib.contextmanager
def nginx_in_front(program: str, folder: Path, port: int, nodes: Sequence[str]) -> Iterator[None]:
    """Runs until the end; who connects before it listens is refused."""
    file = proxy_file(folder, port, nodes)
    with (folder / "nginx.log").open("wb") as log:
        command = [program, "-p", str(folder), "-c", str(file), "-g", "daemon off;"]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)
