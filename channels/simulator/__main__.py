"""Runs the pretend carrier as a process of its own: `python -m channels.simulator CONFIG.toml`.

The first line on standard output is JSON, {"listening": "http://127.0.0.1:PORT"}; a parent process waits
for it.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from channels.simulator.server import running
from channels.simulator.settings import SimulatorSettings, read_settings

CONFIG_VARIABLE = "SERVICE_DESK_SIMULATOR_CONFIG"


def main() -> int:
    """Entry point. Returns the process's exit code."""
    arguments = _arguments()
    if arguments.config is None:
        sys.stderr.write(f"name a configuration file, or set {CONFIG_VARIABLE}\n")
        return 2
    try:
        settings = read_settings(Path(arguments.config), _overrides(arguments))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"the configuration cannot be used: {error}\n")
        return 2
    try:
        asyncio.run(_serve(settings, stop_with_stdin=arguments.stop_with_stdin))
    except OSError as error:
        sys.stderr.write(f"cannot listen on {settings.host}:{settings.port}: {error}\n")
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m channels.simulator",
        description="A pretend telephone carrier: signs webhooks, executes TwiML, takes REST calls.",
    )
    parser.add_argument(
        "config", nargs="?", default=os.environ.get(CONFIG_VARIABLE), help="a TOML or JSON file"
    )
    parser.add_argument("--port", type=int, help="port to listen on; 0 for any free one")
    parser.add_argument("--traffic", type=float, help="background customers: calls per minute")
    parser.add_argument(
        "--speed", type=float, help="how much faster than life: 10 makes a minute six seconds"
    )
    parser.add_argument("--stop-with-stdin", action="store_true", help="end when standard input is closed")
    return parser.parse_args()


def _overrides(arguments: argparse.Namespace) -> dict[str, Any]:
    given = {"port": arguments.port, "speed": arguments.speed}
    overrides: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if arguments.traffic is not None:
        overrides["traffic"] = {"calls_per_minute": arguments.traffic}
    return overrides


async def _serve(settings: SimulatorSettings, *, stop_with_stdin: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    if stop_with_stdin:
        await loop.connect_read_pipe(lambda: _StopAtEnd(stop), sys.stdin)
    async with running(settings) as simulator:
        sys.stdout.write(json.dumps({"listening": simulator.base_url}) + "\n")
        sys.stdout.flush()
        await stop.wait()


class _StopAtEnd(asyncio.Protocol):
    """Sees the parent's end of the pipe close, also when the parent was killed."""

    def __init__(self, stop: asyncio.Event) -> None:
        self._stop = stop

    def eof_received(self) -> None:
        self._stop.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        self._stop.set()


if __name__ == "__main__":
    sys.exit(main())
