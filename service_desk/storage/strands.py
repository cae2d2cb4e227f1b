"""Database work on an event loop's own thread that gives the loop its turn while it waits for the server.

Actions are plain functions: they wait somewhere below them, where nobody can `await`. A strand is a stack of its own
(a greenlet) on the loop's thread; where a statement waits for the socket it switches back to the loop, which goes on
with it once there is an answer. A second thread would do so too, but must have the interpreter's lock again after each
wait, which a busy loop holds: see decision 0016.
"""

import asyncio
import contextlib
import select
import threading
from collections.abc import Callable, Generator
from typing import Any, TypeVar

import greenlet
import psycopg

T = TypeVar("T")


class Strand(greenlet.greenlet):
    """One function, run to its end on the loop's thread. It must not raise, and must not use the loop.

    A loop keeps things on its stack (libuv: the events that it is handling), which is put aside while a strand runs.
    So whatever concerns the loop is done outside of it: sockets are watched between its steps, and `ended` is called
    after the last.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, work: Callable[[], None], ended: Callable[[], None]
    ) -> None:
        super().__init__(work)
        self._loop = loop
        self._ended = ended
        self._thread = threading.get_ident()
        self._socket = -1
        self._what = 0

    def go_on(self) -> None:
        """From outside: run it until it waits or ends."""
        self.switch()
        if self.dead:
            self._ended()
            return
        if self._loop.is_closed():
            return  # whoever closed it runs us by `finish`
        if self._what & select.POLLIN:
            self._loop.add_reader(self._socket, self._ready)
        if self._what & select.POLLOUT:
            self._loop.add_writer(self._socket, self._ready)

    def wait(self, socket: int, what: int) -> None:
        """From inside: until the socket can be read or written; `what` is of `select.poll`'s words."""
        self._socket, self._what = socket, what
        assert self.parent is not None, "a strand is started by somebody"
        self.parent.switch()

    def finish(self) -> None:
        """From outside, on the same thread: run it to its end without the loop. RuntimeError on another thread."""
        if threading.get_ident() != self._thread:
            raise RuntimeError("a strand can only be finished on the thread that began it")
        while not self._is_over():
            with contextlib.suppress(RuntimeError):  # the loop may be closed, and watches nothing then
                self._unwatch()
            poll = select.poll()
            poll.register(self._socket, self._what)
            poll.poll()
            self.switch()
            if self._is_over():
                self._ended()

    def _is_over(self) -> bool:
        return self.dead

    def _ready(self) -> None:
        self._unwatch()
        self.go_on()

    def _unwatch(self) -> None:
        if self._what & select.POLLIN:
            self._loop.remove_reader(self._socket)
        if self._what & select.POLLOUT:
            self._loop.remove_writer(self._socket)


def wait_for(socket: int, what: int) -> None:
    """Until the socket can be read or written: with the loop's other work in a strand, else with none."""
    strand = greenlet.getcurrent()
    if isinstance(strand, Strand):
        strand.wait(socket, what)
        return
    poll = select.poll()
    poll.register(socket, what)
    poll.poll()


class StrandConnection(psycopg.Connection[Any]):
    """psycopg's connection, whose own statements wait as a strand does, if they are run in one."""

    def wait(self, gen: Generator[Any, Any, T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Run one of psycopg's generators; they yield what they wait for: 1 to read, 2 to write."""
        if not isinstance(greenlet.getcurrent(), Strand):
            return super().wait(gen, interval, timeout)
        try:
            asked = next(gen)
            while True:
                wait_for(self.pgconn.socket, _words_of(asked))
                asked = gen.send(asked)
        except StopIteration as done:
            found: T = done.value
            return found


def _words_of(asked: int) -> int:
    return (select.POLLIN if asked & 1 else 0) | (select.POLLOUT if asked & 2 else 0)
