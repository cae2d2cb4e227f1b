"""Places at which a test may kill or pause the process. Without the switches each costs one comparison.

SERVICE_DESK_TEST_KILL_AT or SERVICE_DESK_TEST_PAUSE_AT names one, in a source tree only (`switches.py`).
"""

import os
import signal

from service_desk.switches import KILL_AT, PAUSE_AT, switch


def _place_and_time(variable: str) -> tuple[str, int]:
    """`name:n`, or `name` for the first time. RuntimeError if n is no number from 1 on."""
    said = switch(variable)
    name, colon, nth = said.partition(":")
    if colon and not (nth.isascii() and nth.isdigit() and int(nth) > 0):
        raise RuntimeError(f"{variable}={said}: write name:n, with a number from 1 on")
    return name, int(nth) if colon else 1


_KILL = bool(switch(KILL_AT))
_AT, _left = _place_and_time(KILL_AT if _KILL else PAUSE_AT)

POINTS = frozenset(
    {
        "store.before_log",
        "store.before_commit",
        "store.after_commit",
        "migrate.before_statement",
        "intake.before_answer",
        "mailroom.before_answer",  # after the mail's final dot, before its 250
        "host.before_restore",
        "host.before_record",
        "host.after_record",
        "outbox.after_claim",
        "outbox.after_effect",
        "timers.before_fire",
        "figures.before_alerts",
        "figures.before_fold",
        "fanout.before_send",
        "retention.after_batch",
    }
)
"""Every point that there is; a test compares them with the calls."""


class Killed(BaseException):
    """Raised in the place of a `kill -9` where a whole process is simulated within another: nothing may catch it."""


def killpoint(name: str) -> None:
    """If the test asked for this point and the n-th time (`name:n`) has come: die as by `kill -9`, or stand still.

    Who stands still goes on with SIGCONT, from here, knowing nothing of the time between.
    """
    global _left  # noqa: PLW0603 - a counter of this process, of no use without the switches
    if name != _AT:
        return
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL if _KILL else signal.SIGSTOP)
