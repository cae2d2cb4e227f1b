"""Colleagues and chat customers for the demo, as a process of its own: python -m service_desk.demo.robots FILE.

They use the public HTTP API and the sockets only, as people's browsers do. The callers are in the simulated
carrier. The process ends when its standard input is closed (--stop-with-stdin), which the system does for its
parent even if that is killed. While the desk is away they try again, each at a moment of its own.
"""

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from service_desk.clock import SystemClock
from service_desk.demo.chance import Random
from service_desk.demo.robot_agent import RobotAgent, Team
from service_desk.demo.robot_console import Pace
from service_desk.demo.robot_customer import ChatTraffic, RobotCustomers
from service_desk.demo.robot_faults import Faults
from service_desk.demo.robot_writers import RobotWriters, WriterTraffic
from service_desk.logs import LEVELS, set_up_logs
from service_desk.ports import Clock

GOODBYE_S = 1.5


class Login(BaseModel):
    """A colleague who is a robot today."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    login: str
    password: str


class RobotSettings(BaseModel):
    """What FILE holds, as JSON."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    base: str = Field(description="The desk's address: scheme, host and port.")
    seed: int = 1
    speed: float = Field(default=1.0, gt=0, le=1_000, description="How much quicker than people.")
    agents: tuple[Login, ...] = ()
    chats: ChatTraffic | None = None
    letters: WriterTraffic | None = None


async def run(settings: RobotSettings, clock: Clock) -> None:
    """Let all of them live until this is cancelled."""
    pace = Pace(clock, settings.speed)
    team = Team(len(settings.agents), clock)
    faults = Faults()
    async with asyncio.TaskGroup() as group:
        for each in settings.agents:
            chance = Random(f"{settings.seed} {each.login}")
            agent = RobotAgent(
                settings.base, each.login, each.password, pace=pace, random=chance, team=team, faults=faults
            )
            group.create_task(agent.run())
        if settings.chats is not None:
            chance = Random(f"{settings.seed} chats")
            customers = RobotCustomers(settings.base, settings.chats, pace=pace, random=chance, faults=faults)
            group.create_task(customers.run())
        if settings.letters is not None:
            chance = Random(f"{settings.seed} letters")
            writers = RobotWriters(settings.letters, pace=pace, random=chance, faults=faults)
            group.create_task(writers.run())


def main() -> int:
    """Entry point. Returns the process's exit code."""
    parser = argparse.ArgumentParser(prog="python -m service_desk.demo.robots", description=__doc__)
    parser.add_argument("config", type=Path, help="a JSON file")
    parser.add_argument("--stop-with-stdin", action="store_true", help="end when standard input is closed")
    parser.add_argument("--log-level", choices=LEVELS, default="warning")
    arguments = parser.parse_args()
    try:
        settings = RobotSettings.model_validate_json(arguments.config.read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        sys.stderr.write(f"the configuration cannot be used: {error}\n")
        return 2
    set_up_logs(arguments.log_level)
    asyncio.run(_until_stopped(settings, stop_with_stdin=arguments.stop_with_stdin))
    return 0


async def _until_stopped(settings: RobotSettings, *, stop_with_stdin: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if stop_with_stdin:
        await loop.connect_read_pipe(lambda: _StopAtEnd(stop), sys.stdin)
    robots = asyncio.create_task(run(settings, SystemClock()))
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({robots, stopped}, return_when=asyncio.FIRST_COMPLETED)
    for task in (robots, stopped):
        task.cancel()
    await asyncio.wait({robots, stopped}, timeout=GOODBYE_S)  # a desk that is gone answers no goodbye
    if robots.done() and not robots.cancelled():
        robots.result()


class _StopAtEnd(asyncio.Protocol):
    """Sees the parent's end of the pipe close."""

    def __init__(self, stop: asyncio.Event) -> None:
        self._stop = stop

    def eof_received(self) -> None:
        self._stop.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        self._stop.set()


if __name__ == "__main__":
    sys.exit(main())
