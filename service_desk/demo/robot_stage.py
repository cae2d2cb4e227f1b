"""The robots as a child process that dies with us."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from service_desk.demo.people import TEAM
from service_desk.demo.stage import PATIENCE_S
from service_desk.domain.config import DeskConfig

FOR_PEOPLE = ("anna", "david")
"""Agents whom no robot plays: a newcomer and a second window. Supervisors and admins are never robots."""
ROBOTS = tuple(each.login for each in TEAM if each.role == "agent" and each.login not in FOR_PEOPLE)

CHATS_PER_CALL = 0.5
MAILS_PER_CALL = 0.2
TEXTS_PER_CALL = 0.2
LETTERS_PER_MINUTE_MOST = 1.0
LETTERS_LIVING_MOST = 8
LETTERS_PATIENCE_S = 1_800.0
"""Calls that find nobody are given up; mail and texts wait, and would pile up where calls take all the robots."""
STOP_S = 3.0


def robot_settings(
    base: str,
    *,
    carrier_url: str,
    seed: int,
    traffic: float,
    passwords: Mapping[str, str],
    config: DeskConfig,
    people: list[dict[str, Any]],
) -> dict[str, Any]:
    """What `demo.robots` reads. `traffic`: calls per minute; chats, mails and texts come beside in fixed shares.

    `passwords` by role, `people` as the carrier gets them.
    """
    widget = config.widgets[0]
    chatting = [
        {name: each[name] for name in ("name", "mailbox", "language")} for each in people if each["mailbox"]
    ]
    writing = [{name: each[name] for name in ("name", "mailbox", "number", "language")} for each in people]
    return {
        "base": base,
        "seed": seed,
        "agents": [{"login": login, "password": passwords["agent"]} for login in ROBOTS],
        "chats": {
            "widget": widget.id,
            "per_minute": traffic * CHATS_PER_CALL,
            "patience_mean_s": PATIENCE_S,
            "topics": {topic.id: topic.queue for topic in widget.topics},
            "people": chatting,
        },
        "letters": {
            "carrier": carrier_url,
            "mails_per_minute": min(traffic * MAILS_PER_CALL, LETTERS_PER_MINUTE_MOST),
            "texts_per_minute": min(traffic * TEXTS_PER_CALL, LETTERS_PER_MINUTE_MOST),
            "living_max": LETTERS_LIVING_MOST,
            "patience_mean_s": LETTERS_PATIENCE_S,
            "people": writing,
        },
    }


@contextlib.contextmanager
def running_robots(
    settings: dict[str, Any], folder: Path, *, log_level: str = "warning"
) -> Iterator["subprocess.Popen[bytes]"]:
    """The robots as a process of their own while the block runs. What they have to say lies in `folder`.

    They may be started before the desk answers: they try until it does.
    """
    config, log = folder / "robots.json", folder / "robots.log"
    config.unlink(missing_ok=True)
    config.touch(mode=0o600)  # it holds passwords
    config.write_text(json.dumps(settings), encoding="utf-8")
    command = [sys.executable, "-m", "service_desk.demo.robots", str(config), "--stop-with-stdin"]
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own module
            [*command, "--log-level", log_level],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C in the terminal is for us; we end it in our order
        )
        try:
            yield process
        finally:
            _stop(process)
            config.unlink(missing_ok=True)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    assert process.stdin is not None, "opened as a pipe"
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
