"""A wall clock that can be set from outside: Python imports this at its start where this folder is on its path.

The file that `STEPPED_CLOCK_FILE` names is mapped. It holds nanoseconds, one number of eight bytes, that are added to
the time. Nothing else is touched, neither the monotonic clock nor what waits for a lock.
"""

import mmap
import os
import time

_true_ns = time.time_ns
with open(os.environ["STEPPED_CLOCK_FILE"], "rb") as _file:  # noqa: PTH123 - pathlib would delay every start
    _offset_ns = memoryview(mmap.mmap(_file.fileno(), 8, prot=mmap.PROT_READ)).cast("q")


def time_ns() -> int:
    return _true_ns() + _offset_ns[0]


def seconds() -> float:
    return time_ns() / 1e9


time.time_ns, time.time = time_ns, seconds
