"""Where actions run: on an event loop's own thread if one asks for them, else on a thread of their own.

Python runs one thread at a time, and a thread that wants its turn while another computes waits half a millisecond.
On SQLite each statement gives the turn away, though it takes microseconds: an action of fifteen statements on a thread
of its own waited for milliseconds beside a busy loop (decision 0012). On PostgreSQL each wait for the server does
(decision 0016). What may take long, a file that is locked or a connection that is made anew, stays with the thread.
"""

import asyncio
import queue
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog

from service_desk.ports import Clock
from service_desk.storage.groups import Groups, Job, Outcome, Ready

if TYPE_CHECKING:
    from service_desk.storage.strands import Strand

GROUP_ACTIONS = 32
GROUP_SPAN_S = 0.005
"""A group takes further actions for so long, while any wait."""
FAR_SPAN_S = 0.02
"""On PostgreSQL, where a group waits several times for the server and more actions come meanwhile. At 50 contacts a
second groups of 5 ms fell behind (17 actions in line, 415 ms from webhook to offer), those of 20 ms did not (0.6 in
line, 58 ms), and those of 50 ms delayed their first action."""

log = structlog.get_logger(__name__)


class ThreadWriter:
    """Groups of what is put, on a thread of its own; between them it does what else it is asked to."""

    def __init__(self, groups: Groups, clock: Clock) -> None:
        self.writing = threading.Lock()
        """Held from BEGIN to the end of COMMIT by whoever uses the connection."""
        self._groups = groups
        self._clock = clock
        self._todo: queue.SimpleQueue[Job | Callable[[], None] | None] = queue.SimpleQueue()
        self._put_off: deque[Job] = deque()
        self._gate = threading.Lock()
        """So that nothing is put off in the moment in which the connection is given back."""
        self._thread = threading.Thread(target=self._work, name="desk-write", daemon=True)
        self._thread.start()

    def put(self, item: Job | Callable[[], None]) -> None:
        """Run an action in the next group, or call something between two groups."""
        self._todo.put(item)

    def has_work(self) -> bool:
        """Whether something was put that has not begun."""
        return not self._todo.empty()

    def give_back(self) -> None:
        """The connection is free again for what came meanwhile."""
        with self._gate:
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
        with self._gate:
            if not self.writing.acquire(blocking=False):
                self._put_off.append(first)  # its holder will `give_back`
                return _nothing
        taking = _Taking(first, self._todo, self._clock)
        try:
            outcomes = self._groups.end(self._groups.act(taking.jobs()))
        finally:
            self.give_back()
        tell(outcomes)
        return taking.other


class _Taking:
    """The first job, then whatever is waiting while the group is small and young."""

    def __init__(
        self,
        first: Job,
        todo: "queue.SimpleQueue[Job | Callable[[], None] | None]",
        clock: Clock,
    ) -> None:
        self.other: Job | Callable[[], None] | None = _nothing
        self._first = first
        self._todo = todo
        self._clock = clock

    def jobs(self) -> Iterator[Job]:
        yield self._first
        until = self._clock.monotonic() + GROUP_SPAN_S
        for _ in range(GROUP_ACTIONS - 1):
            if self._clock.monotonic() > until:
                return
            try:
                item = self._todo.get_nowait()
            except queue.Empty:
                return
            if not isinstance(item, Job):
                self.other = item
                return
            yield item


class LoopWriter(ABC):
    """Groups whose actions run on one event loop's thread."""

    def __init__(
        self, groups: Groups, clock: Clock, thread: ThreadWriter, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.loop = loop
        self._groups = groups
        self._clock = clock
        self._thread = thread
        self._waiting: deque[Job] = deque()
        self._busy = False

    @abstractmethod
    def _begin(self) -> None:
        """Run a group of what waits; the connection is ours. `_told` or `_leave_it` must follow."""

    def put(self, job: Job) -> None:
        """Run an action in the next group."""
        self._waiting.append(job)
        if not self._busy:
            self._busy = True
            self.loop.call_soon(self._turn)

    def finish(self) -> None:
        """From outside of the loop: what waits here runs on the thread."""
        while self._waiting:
            self._thread.put(self._waiting.popleft())

    def _turn(self) -> None:
        """Run what waits, if nobody else is using the connection, or has waited for it while we did."""
        if not self._waiting:
            self._busy = False
        elif self._thread.has_work() or not self._thread.writing.acquire(blocking=False):
            self._thread.put(partial(_post, self.loop, self._turn))
        else:
            self._begin()

    def _leave_it(self) -> None:
        """To the thread, which can wait for a connection or for another process that writes; a loop cannot."""
        self._thread.give_back()
        while self._waiting:
            self._thread.put(self._waiting.popleft())
        self._busy = False

    def _jobs(self, span_s: float) -> Iterator[Job]:
        until = self._clock.monotonic() + span_s
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


class NearWriter(LoopWriter):
    """On SQLite, where a statement takes microseconds: all but COMMIT at once, and that on the writer's thread."""

    def _begin(self) -> None:
        ready = self._groups.act(self._jobs(GROUP_SPAN_S), patient=False)
        if ready.group is None:
            self._leave_it()
        else:
            self._thread.put(partial(self._end, ready))


class FarWriter(LoopWriter):
    """On PostgreSQL: in a strand, while the loop does other things. What goes wrong is for the writer's thread."""

    _strand: "Strand | None" = None

    def finish(self) -> None:
        while self._strand is not None:  # each begins the next group
            self._strand.finish()
        super().finish()

    def _begin(self) -> None:
        if not self._groups.is_open:
            self._leave_it()
            return
        from service_desk.storage.strands import Strand  # noqa: PLC0415 - embedded, nobody needs psycopg

        done: list[Ready] = []
        self._strand = Strand(self.loop, lambda: done.append(self._run()), lambda: self._ended(*done))
        self._strand.go_on()

    def _run(self) -> Ready:
        """In the strand."""
        ready = self._groups.act(self._jobs(FAR_SPAN_S), patient=False)
        self._groups.commit(ready)
        return ready

    def _ended(self, ready: Ready) -> None:
        self._strand = None
        if ready.group is None:
            self._leave_it()
        elif ready.done:
            outcomes = self._groups.end(ready)
            self._thread.give_back()
            self._told(outcomes)
        else:
            self._thread.put(partial(self._end, ready))


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
