"""Who may decide: one holder per name, with a fence that grows with each holder.

`SoleLease` is for one process on SQLite, which a file lock guards; `DatabaseLease` is for many on PostgreSQL.
Every write of a holder checks its fence in the same transaction, so that one who was asleep writes nothing.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Protocol

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import DBAPIError

from service_desk.clock import SECOND, Micros
from service_desk.desk import Desk
from service_desk.errors import Unavailable
from service_desk.ports import Clock
from service_desk.storage import schema
from service_desk.storage.engines import make_engine
from service_desk.storage.fence import Fenced, check_fence
from service_desk.storage.transaction import Tx

LEASE = schema.lease
RENEW_S = 1.0
LIFETIME_S = 3.0
TRUSTED_S = 2.0

__all__ = ["DatabaseLease", "Fenced", "Lease", "SoleLease", "check_fence", "hold_and_work"]

log = structlog.get_logger(__name__)


class Lease(Protocol):
    """`SoleLease`, `DatabaseLease`."""

    name: str

    async def acquire(self) -> int:
        """Wait until it is ours; the fence."""

    def held(self) -> bool:
        """Whether it can be trusted to be ours, by the monotonic clock."""

    def look_again_at(self) -> Micros | None:
        """By when to ask `held` again even if nothing happens; None: it cannot be lost."""

    async def release(self) -> None: ...


def take(tx: Tx, name: str, holder: str) -> int:
    """The next fence, for this holder."""
    row = tx.first(sa.select(LEASE).where(LEASE.c.name == name))
    fence: int = (row["fence"] if row else 0) + 1
    values = {"holder": holder, "fence": fence, "expires_at": tx.now + int(LIFETIME_S * SECOND)}
    if row is None:
        tx.write(sa.insert(LEASE), {"name": name, **values})
    else:
        tx.write(sa.update(LEASE).where(LEASE.c.name == name).values(**values))
    return fence


async def hold_and_work(lease: Lease, clock: Clock, work: Callable[[int], Awaitable[None]]) -> None:
    """Hold the lease and work with its fence, until cancelled; after a loss or a fault start again from the rows.

    `work` returns when the lease is no longer held.
    """
    while True:
        try:
            fence = await lease.acquire()
            await work(fence)
        except Fenced as error:
            log.warning("fenced", lease=lease.name, reason=str(error))
        except Unavailable as error:
            log.warning("waits for the database", lease=lease.name, reason=error.detail)
            await clock.sleep_until(clock.now() + SECOND)
        except Exception:
            log.exception("starts again", lease=lease.name)
            await clock.sleep_until(clock.now() + SECOND)
        finally:
            await lease.release()


class SoleLease:
    """There is nobody else; the fence still grows, so that decisions say which process made them."""

    def __init__(self, name: str, desk: Desk, holder: str) -> None:
        self.name = name
        self._desk = desk
        self._holder = holder

    async def acquire(self) -> int:
        clock = self._desk.clock
        while True:
            try:
                return await self._desk.run(take, self.name, self._holder)
            except Unavailable as error:
                log.warning("waits for the database", lease=self.name, reason=error.detail)
                await clock.sleep_until(clock.now() + SECOND)

    def held(self) -> bool:
        return True

    def look_again_at(self) -> Micros | None:
        return None

    async def release(self) -> None:
        """Nothing to give back."""


class DatabaseLease:
    """Renewed each second by a thread of its own, by the database's clock."""

    def __init__(self, name: str, url: str, holder: str, clock: Clock) -> None:
        self.name = name
        self._holder = holder
        self._clock = clock
        self._engine = make_engine(url, node=holder)
        self._stop = threading.Event()
        self._asking = threading.Lock()
        self._closed = False
        self._thread: threading.Thread | None = None
        self._renewed_at = float("-inf")
        self._fence = 0

    async def acquire(self) -> int:
        loop = asyncio.get_running_loop()
        while not await loop.run_in_executor(None, self._take):
            await self._clock.sleep_until(self._clock.now() + SECOND)
        self._stop.clear()
        self._thread = threading.Thread(target=self._renew, name=f"lease-{self.name}", daemon=True)
        self._thread.start()
        return self._fence

    def held(self) -> bool:
        return self._clock.monotonic() - self._renewed_at < TRUSTED_S

    def look_again_at(self) -> Micros | None:
        return self._clock.now() + SECOND

    async def release(self) -> None:
        self._stop.set()
        if self._thread is not None:
            await asyncio.get_running_loop().run_in_executor(None, self._thread.join)
            self._thread = None
        await asyncio.get_running_loop().run_in_executor(None, self._give_back)

    async def close(self) -> None:
        """Close the connection; a statement that is on its way ends first, or its connection would be left open."""
        self._stop.set()
        await asyncio.get_running_loop().run_in_executor(None, self._shut)

    # --- on threads -------------------------------------------------------------------------------------------

    def _take(self) -> bool:
        if self._execute(sa.text(_HELD)) != 0:
            return False
        self._execute(sa.text(_THROW_OUT))
        started = self._clock.monotonic()
        fence = self._execute(sa.text(_TAKE))
        if fence is None:
            return False
        self._fence, self._renewed_at = fence, started
        return True

    def _renew(self) -> None:
        statement = sa.text(_RENEW)
        while not self._stop.wait(RENEW_S):
            started = self._clock.monotonic()
            if self._execute(statement) is not None:
                self._renewed_at = started

    def _shut(self) -> None:
        with self._asking:
            self._closed = True
            self._engine.dispose()

    def _give_back(self) -> None:
        self._renewed_at = float("-inf")
        self._execute(sa.text(_GIVE_BACK))

    def _execute(self, statement: sa.TextClause) -> int | None:
        """Run one statement; None if it changed nothing or the database is away."""
        names = {
            "name": self.name,
            "holder": self._holder,
            "fence": self._fence,
            "lifetime": int(LIFETIME_S * SECOND),
        }
        wanted = {name: value for name, value in names.items() if f":{name}" in statement.text}
        with self._asking:
            if self._closed:
                return None
            try:
                with self._engine.begin() as connection:
                    fence: int | None = connection.execute(statement, wanted).scalar()
                    return fence
            except DBAPIError as error:
                log.warning("lease", name=self.name, error=type(error).__name__)
                return None


# By the database's clock, which all nodes share; microseconds.
_HELD = """
SELECT count(*) FROM lease
WHERE name = :name AND expires_at >= CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)
"""
"""Asked first, because it locks nothing: who tries to take a row waits for whoever stands still with it."""
_THROW_OUT = """
SELECT count(pg_terminate_backend(standing.pid)) FROM lease
JOIN pg_stat_activity AS standing ON standing.application_name = lease.holder
WHERE lease.name = :name AND lease.holder <> :holder AND lease.expires_at > 0
    AND lease.expires_at < CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)
    AND standing.datname = current_database() AND standing.usename = current_user
    AND standing.xact_start < clock_timestamp() - interval '1 second'
    AND (standing.wait_event_type = 'Lock' OR standing.state LIKE 'idle in transaction%')
"""
"""A holder that stopped in the middle of its transactions holds rows, the lease's among them. Left alone, PostgreSQL
ends each after `STANDSTILL_S`, and the ones that waited behind it only then begin to stand still. What still computes
is left alone, and so is everything of a holder that gave its lease back (`expires_at` is 0)."""
_TAKE = """
INSERT INTO lease (name, holder, fence, expires_at)
VALUES (:name, :holder, 1, CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT) + :lifetime)
ON CONFLICT (name) DO UPDATE SET holder = :holder, fence = lease.fence + 1,
    expires_at = CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT) + :lifetime
WHERE lease.expires_at < CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)
RETURNING fence
"""
_RENEW = """
UPDATE lease SET expires_at = CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT) + :lifetime
WHERE name = :name AND fence = :fence
RETURNING fence
"""
_GIVE_BACK = "UPDATE lease SET expires_at = 0 WHERE name = :name AND fence = :fence RETURNING fence"
