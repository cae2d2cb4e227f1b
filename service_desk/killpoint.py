"""Places at which a test may kill or pause the process. Without the switches each costs one comparison."""

import os
import signal

_KILL_AT = os.environ.get("SERVICE_DESK_TEST_KILL_AT", "")
_PAUSE_AT = os.environ.get("SERVICE_DESK_TEST_PAUSE_AT", "")
_AT, _, _NTH = (_KILL_AT or _PAUSE_AT).partition(":")
_left = int(_NTH or 1)

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


def killpoint(name: str) -> None:
    """If the test asked for this point and the n-th time (`name:n`) has come: die as by `kill -9`, or stand still.

    Who stands still goes on with SIGCONT, from here, knowing nothing of the time between.
    """
    global _left  # noqa: PLW0603 - a counter of this process, of no use without the switches
    if name != _AT:
        return
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL if _KILL_AT else signal.SIGSTOP)
