"""Runs the simulation with a bug in the desk, to see that it is found: `python tests/simulation/planted.py BUG ...`."""

import os
import sys
from collections.abc import Callable
from typing import Any

from service_desk.actions import deliveries, effects, texts
from service_desk.background import outbox, timers
from service_desk.dispatch import host
from service_desk.realtime.server import LiveServer
from tests.simulation.__main__ import main


def plant(place: object, name: str, bug: object) -> None:
    """Put it where the desk will find it."""
    setattr(place, name, bug)


def lost_text() -> None:
    """Every tenth text is acknowledged and not kept."""
    real, seen = texts.receive_text, [0]

    def receive_text(tx: Any, account: str, event: Any) -> None:
        seen[0] += 1
        if seen[0] % 10:
            real(tx, account, event)

    plant(texts, "receive_text", receive_text)


def deaf_console() -> None:
    """Every fiftieth frame is not sent, and the next one does not say so."""
    real, seen = LiveServer.send_frame, [0]

    async def send_frame(self: Any, agent_id: str, frame: Any) -> None:
        seen[0] += 1
        if seen[0] % 50:
            await real(self, agent_id, frame)
        else:
            self._last[agent_id] = frame.position

    plant(LiveServer, "send_frame", send_frame)


def late_timer() -> None:
    """Timers are not looked for until something is committed to them."""

    def due_timers(*_: Any) -> Any:
        return [], None

    plant(timers, "due_timers", due_timers)


def forgotten_agent() -> None:
    """The router never hears that an agent is ready again."""
    real = host.commands_after

    def commands_after(reader: Any, position: int, limit: int) -> Any:
        found = real(reader, position, limit)
        return [(at, each) for at, each in found if type(each).__name__ != "AgentReady" or at % 3]

    plant(host, "commands_after", commands_after)


def double_text() -> None:
    """What was sent is not noted: the next look sends it again."""

    def leave(*_: Any) -> Any:
        return "go"

    real = effects.settle

    def settle(tx: Any, position: int, attempt: int, state: str, *rest: Any) -> Any:
        return real(tx, position, attempt, "ready" if state == "confirmed" and attempt == 1 else state, *rest)

    plant(deliveries, "leave", leave)
    plant(deliveries, "sent", lambda *_: None)
    plant(outbox, "settle", settle)


def no_fence() -> None:
    """Who lost a lease without noticing goes on writing."""
    for module in list(sys.modules.values()):
        if module.__name__.startswith("service_desk.") and hasattr(module, "check_fence"):
            plant(module, "check_fence", lambda *_: None)


BUGS: dict[str, Callable[[], None]] = {
    bug.__name__: bug for bug in (lost_text, deaf_console, late_timer, forgotten_agent, double_text, no_fence)
}

if __name__ == "__main__":
    BUGS[sys.argv.pop(1)]()
    os._exit(main())
