"""On which thread actions run: all of it on a thread of its own, or up to COMMIT on an event loop's.

Python runs one thread at a time, and a thread that wants its turn while another computes waits half a millisecond.
On SQLite each statement gives the turn away, though it takes microseconds: an action of fifteen statements on a thread
of its own waited for milliseconds beside a busy loop. See decision 0012.
"""

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import structlog

from service_desk.ports import Clock
from service_desk.storage.groups import Groups, Job, Outcome, Ready

GROUP_ACTIONS = 32
GROUP_SPAN_S = 0.005
LINGER_S = 0.001
"""How long a group on PostgreSQL waits for one more action while others come: a transaction there costs more."""

log = structlog.get_logger(__name__)


class ThreadWriter:
    """Groups of what is put, on a thread of its own; between them it does what else it is asked to."""

    def __init__(self, groups: Groups, clock: Clock, *, lingers: bool) -> None:
        self.writing = threading.Lock()
        """Held from BEGIN to the end of COMMIT by whoever uses the connection."""
        self._groups = groups
        self._clock = clock
        self._lingers = lingers
        self._crowded = False
        self._todo: queue.SimpleQueue[Job | Callable[[], None] | None] = queue.SimpleQueue()
        self._put_off: deque[Job] = deque()
        self._thread = threading.Thread(target=self._work, name="desk-write", daemon=True)
        self._thread.start()

    def put(self, item: Job | Callable[[], None]) -> None:
        """Run an action in the next group, or call something between two groups."""
        self._todo.put(item)

    def give_back(self) -> None:
        """On the thread: the connection is free again for what came meanwhile."""
        self.writing.release()
        while self._put_off:
            self._todo.put(self._put_off.popleft())

    def close(self) -> None:
        """Finish what was put, and end; again is harmless."""
        self._todo.put(None)
        self._thread.join()

    def _work(self) -> None:
        stop = False
        while not stop or not self._todo.empty():
            item = self._todo.get()
            try:
                while isinstance(item, Job):
                    item = self._run_group(item)
                if item is not None:
                    item()
            except BaseException:
                log.exception("the writer goes on")
            stop = stop or item is None

    def _run_group(self, first: Job) -> Job | Callable[[], None] | None:
        """Run actions together; what was met that belongs into no group, or a call of nothing."""
        if not self.writing.acquire(blocking=False):
            self._put_off.append(first)  # its holder will call us, and then `give_back`
            return _nothing
        taking = _Taking(first, self._todo, self._clock, patient=self._crowded)
        try:
            outcomes = self._groups.end(self._groups.act(taking.jobs()))
        finally:
            self.give_back()
        self._crowded = self._lingers and len(outcomes) > 1
        tell(outcomes)
        return taking.other


class _Taking:
    """The first job, then whatever is waiting while the group is small and young."""

    def __init__(
        self,
        first: Job,
        todo: "queue.SimpleQueue[Job | Callable[[], None] | None]",
        clock: Clock,
        *,
        patient: bool,
    ) -> None:
        self.other: Job | Callable[[], None] | None = _nothing
        self._first = first
        self._todo = todo
        self._clock = clock
        self._patient = patient

    def jobs(self) -> Iterator[Job]:
        yield self._first
        until = self._clock.monotonic() + GROUP_SPAN_S
        for _ in range(GROUP_ACTIONS - 1):
            if self._clock.monotonic() > until:
                return
            try:
                item = self._todo.get(timeout=LINGER_S) if self._patient else self._todo.get_nowait()
            except queue.Empty:
                return
            if not isinstance(item, Job):
                self.other = item
                return
            yield item


class LoopWriter:
    """Groups whose actions run on one event loop's thread, and whose COMMIT runs on the writer's thread."""

    def __init__(
        self, groups: Groups, clock: Clock, thread: ThreadWriter, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.loop = loop
        self._groups = groups
        self._clock = clock
        self._thread = thread
        self._waiting: deque[Job] = deque()
        self._busy = False

    def put(self, job: Job) -> None:
        """Run an action in the next group."""
        self._waiting.append(job)
        if not self._busy:
            self._busy = True
            self.loop.call_soon(self._turn)

    def hand_over(self) -> None:
        """What waits here runs on the thread."""
        while self._waiting:
            self._thread.put(self._waiting.popleft())

    def _turn(self) -> None:
        """Run what waits up to COMMIT, if nobody else is using the connection."""
        if not self._waiting:
            self._busy = False
        elif not self._thread.writing.acquire(blocking=False):
            self._thread.put(partial(_post, self.loop, self._turn))
        else:
            ready = self._groups.act(self._jobs(), patient=False)
            if ready.group is None:  # another process is writing: the thread can wait for it, a loop cannot
                self._thread.writing.release()
                self.hand_over()
                self._busy = False
            else:
                self._thread.put(partial(self._end, ready))

    def _jobs(self) -> Iterator[Job]:
        until = self._clock.monotonic() + GROUP_SPAN_S
        for _ in range(GROUP_ACTIONS):
            yield self._waiting.popleft()
            if not self._waiting or self._clock.monotonic() > until:
                return

    def _end(self, ready: Ready) -> None:
        """On the thread: COMMIT, and tell the loop."""
        try:
            outcomes = self._groups.end(ready)
        finally:
            self._thread.give_back()
        _post(self.loop, self._told, outcomes)

    def _told(self, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            outcome.tell()
        self._turn()


class InlineWriter:
    """Each action is a group of its own, where and when it is put: for one thread that does everything."""

    def __init__(self, groups: Groups) -> None:
        self._groups = groups

    def put(self, job: Job) -> None:
        """Run an action, commit it, and tell."""
        tell(self._groups.end(self._groups.act(iter((job,)))))

    def close(self) -> None:
        """Nothing was put off."""


def tell(outcomes: Iterable[Outcome]) -> None:
    """Tell everybody, on their loop if they have one: one call for all of a loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.job.loop is None:
            outcome.tell()
        else:
            by_loop.setdefault(outcome.job.loop, []).append(outcome)
    for loop, theirs in by_loop.items():
        _post(loop, _tell_each, theirs)


def _tell_each(outcomes: Iterable[Outcome]) -> None:
    for outcome in outcomes:
        outcome.tell()


def _post(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *args: Any) -> None:
    try:
        loop.call_soon_threadsafe(call, *args)
    except RuntimeError:  # closed: whoever waited there is gone
        log.warning("a commit found nobody who waited")


def _nothing() -> None:
    """What is met where a group ended for another reason."""
