"""Places at which a test may kill the process. In production the switch is not set and each costs one comparison."""

import os
import signal

_AT, _, _NTH = os.environ.get("SERVICE_DESK_TEST_KILL_AT", "").partition(":")
_left = int(_NTH or 1)

POINTS = frozenset(
    {
        "store.before_log",
        "store.before_commit",
        "store.after_commit",
        "intake.before_answer",
        "host.before_record",
        "host.after_record",
        "outbox.after_claim",
        "outbox.after_effect",
        "timers.before_fire",
        "figures.before_fold",
        "fanout.before_send",
    }
)


def killpoint(name: str) -> None:
    """Die here, as by `kill -9`, if the test asked for this point and the n-th time (`name:n`) has come."""
    global _left  # noqa: PLW0603 - a counter of this process, of no use without the switch
    if name != _AT:
        return
    _left -= 1
    if _left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
