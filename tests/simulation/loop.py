"""An event loop in virtual time: when nothing can run, the clock goes to the next timer. No sleep, thread or socket.

Sockets are pairs of transports in memory, with the delay of a near network. Whatever runs for a process of the desk
runs in a context that names it, so that a process can end as by `kill -9`: nothing of it runs any more, no `finally`
either.
"""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, Protocol, TypeVar

from service_desk.clock import SECOND, Micros

NETWORK_S = 0.0005
"""How long bytes are under way between two in-memory transports."""
EPOCH: Micros = 1_699_920_000 * SECOND
"""Where simulated days begin: 14 November 2023, 00:00 UTC."""


Handle = TypeVar("Handle", bound=asyncio.Handle)


class Mortal(Protocol):
    """A simulated process."""

    dead: bool


PROCESS: contextvars.ContextVar[Mortal | None] = contextvars.ContextVar("PROCESS", default=None)
"""Whose code is running; None: the world's."""


class Stuck(Exception):
    """Nothing can run and no timer is set."""


class VirtualLoop(asyncio.BaseEventLoop):
    """`time()` is simulated; it advances only when nothing else can be done."""

    def __init__(self) -> None:
        super().__init__()
        self._now_us: Micros = 0
        self._clock_resolution = 1e-6
        self._selector = self
        self._servers: dict[int, tuple[Any, Mortal | None]] = {}
        self._wires: list[_End] = []
        self._ports = 20_000
        self.buried: list[Any] = []
        self.set_task_factory(_task)

    def time(self) -> float:
        return self._now_us / SECOND

    @property
    def now_us(self) -> Micros:
        return self._now_us

    # --- what BaseEventLoop asks of a selector ----------------------------------------------------------------

    def select(self, timeout: float | None) -> list[Any]:
        """Nothing ever comes from outside: the wait is over at once, and its time has passed."""
        if timeout is None:
            raise Stuck("nothing can run and no timer is set")
        if timeout > 0:
            self._now_us += max(1, round(timeout * SECOND))
        return []

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """There is no other thread that the loop would have to be woken from."""

    # --- processes that die -----------------------------------------------------------------------------------

    def call_soon(  # type: ignore[override]  # typeshed ties the callback to its arguments
        self, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        return _unless_dead(super().call_soon(callback, *args, context=context))

    def call_at(  # type: ignore[override]  # as above
        self,
        when: float,
        callback: Callable[..., Any],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        return _unless_dead(super().call_at(when, callback, *args, context=context))

    def bury(self, process: Mortal) -> None:
        """Nothing of this process runs any more; its connections break."""
        process.dead = True
        tasks = [task for task in asyncio.all_tasks(self) if getattr(task, "process", None) is process]
        self.buried += tasks  # kept: a coroutine that is collected would run its `finally` blocks
        for handle in [*self._ready, *self._scheduled]:  # type: ignore[attr-defined]  # BaseEventLoop's own
            _unless_dead(handle)  # forgets whom it would have called
        for port in [port for port, (_, owner) in self._servers.items() if owner is process]:
            del self._servers[port]
        for end in [end for end in self._wires if end.process is process]:
            end.abort()

    # --- no threads -------------------------------------------------------------------------------------------

    def run_in_executor(  # type: ignore[override]  # returns a future that is done
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Here and now."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - handed to who waits, as an executor does
            future.set_exception(error)
        return future

    # --- sockets in memory ------------------------------------------------------------------------------------

    async def create_server(  # type: ignore[override]  # as much of it as is used
        self, protocol_factory: Any, host: Any = None, port: int = 0, **_: Any
    ) -> "_Listener":
        self._ports += 0 if port else 1
        port = port or self._ports
        if port in self._servers:
            raise OSError(f"port {port} is taken")
        self._servers[port] = (protocol_factory, PROCESS.get())
        return _Listener(self._servers, port)

    async def create_connection(
        self, protocol_factory: Any, host: Any = None, port: Any = None, **_: Any
    ) -> tuple[asyncio.Transport, Any]:
        await asyncio.sleep(NETWORK_S)
        found = self._servers.get(int(port))
        if found is None:
            raise ConnectionRefusedError(f"nobody listens at {port}")
        factory, process = found
        here, there = _End(self, PROCESS.get()), _End(self, process)
        here.peer, there.peer = there, here
        protocol = protocol_factory()
        self._wires += (here, there)
        there.begin(factory)
        here.protocol = protocol
        protocol.connection_made(here)
        return here, protocol


class _Task(asyncio.Task[Any]):
    """Knows whose it is."""

    process: Mortal | None = None


def _task(loop: Any, coroutine: Any, context: contextvars.Context | None = None) -> _Task:
    task = _Task(coroutine, loop=loop, context=context)
    task.process = PROCESS.get() if context is None else context.get(PROCESS)
    if task.process is not None and task.process.dead:  # made on the way out of the step that died
        loop.buried.append(task)
    return task


def _unless_dead(handle: Handle) -> Handle:
    process = handle._context.get(PROCESS)  # type: ignore[attr-defined]  # typeshed does not know it
    if process is not None and process.dead:
        handle.cancel()
    return handle


class _Listener:
    """What `create_server` returns."""

    def __init__(self, servers: dict[int, Any], port: int) -> None:
        self._servers = servers
        self._port = port

    @property
    def sockets(self) -> list["_Listener"]:
        return [self]

    def getsockname(self) -> tuple[str, int]:
        return ("127.0.0.1", self._port)

    def close(self) -> None:
        self._servers.pop(self._port, None)

    async def wait_closed(self) -> None:
        """It is closed."""


class _End(asyncio.Transport):
    """One end of a connection in memory."""

    def __init__(self, loop: VirtualLoop, process: Mortal | None) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self._loop = loop
        self.process = process
        self._context = contextvars.copy_context()
        self._context.run(PROCESS.set, process)
        self.peer: _End | None = None
        self.protocol: Any = None
        self._closing = False

    def begin(self, factory: Callable[[], Any]) -> None:
        """The other side of a new connection comes to be, in its own process."""
        self._loop.call_soon(self._made, factory, context=self._context)

    def _made(self, factory: Callable[[], Any]) -> None:
        self.protocol = factory()
        self.protocol.connection_made(self)

    def write(self, data: Any) -> None:
        if not self._closing and self.peer is not None:
            self._later(self.peer, self.peer._received, bytes(data))

    def write_eof(self) -> None:
        if self.peer is not None:
            self._later(self.peer, self.peer._lost, None)

    def can_write_eof(self) -> bool:
        return False

    def close(self) -> None:
        self._end(None)

    def abort(self) -> None:
        self._end(ConnectionResetError("connection reset"))

    def is_closing(self) -> bool:
        return self._closing

    def pause_reading(self) -> None:
        """What is sent in memory need not be held back."""

    def resume_reading(self) -> None:
        """See `pause_reading`."""

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def get_protocol(self) -> Any:
        return self.protocol

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is ever buffered."""

    def get_write_buffer_size(self) -> int:
        return 0

    def _received(self, data: bytes) -> None:
        if not self._closing and self.protocol is not None:
            self.protocol.data_received(data)

    def _end(self, error: Exception | None) -> None:
        if self._closing:
            return
        if self.peer is not None:
            self._later(self.peer, self.peer._lost, error)
        self._loop.call_soon(self._lost, None, context=self._context)

    def _lost(self, error: Exception | None) -> None:
        if self._closing:
            return
        self._closing = True
        self._loop._wires = [end for end in self._loop._wires if end is not self]
        if self.protocol is not None:
            self.protocol.connection_lost(error)

    def _later(self, end: "_End", callback: Callable[..., None], *args: Any) -> None:
        self._loop.call_later(NETWORK_S, callback, *args, context=end._context)


class SimulatedClock:
    """A node's wall clock: virtual time plus a step that can be changed. `monotonic` never steps."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self.step: Micros = 0

    def now(self) -> Micros:
        return EPOCH + self._loop.now_us + self.step

    @property
    def behind_s(self) -> float:
        return 0.0

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep_until(self, instant: Micros) -> None:
        """How long is decided when it begins: no process of a simulation sees its clock leap and be right."""
        await asyncio.sleep(max(0, instant - self.now()) / SECOND)
