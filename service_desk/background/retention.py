"""Forgets and lays aside what grew old, once an hour, in small batches between which people's work goes on."""

from collections.abc import Callable, Mapping

import structlog

from service_desk.actions.once import forget_answers
from service_desk.actions.retention import archive_log, purge_inputs, purge_sessions, purge_visitors
from service_desk.clock import DAY, HOUR, MINUTE, SECOND, Micros
from service_desk.desk import Desk
from service_desk.killpoint import killpoint
from service_desk.lease import Lease, check_fence, hold_and_work
from service_desk.settings import Settings
from service_desk.storage.transaction import Tx

EVERY: Micros = HOUR
FIRST_AFTER: Micros = MINUTE
"""Not while everybody comes back after a start."""
BATCH = 500
REST: Micros = SECOND // 10

Part = Callable[[Tx, Micros, int], int]
"""(transaction, the instant before which things are old, how many at most) -> how many it took."""

log = structlog.get_logger(__name__)


def ages(settings: Settings) -> Mapping[Part, Micros]:
    """What is thrown away or laid aside, and at which age."""
    keep = settings.retention
    return {
        archive_log: round(keep.log_h * HOUR),
        purge_inputs: round(keep.raw_inputs_d * DAY),
        purge_sessions: round(keep.ended_sessions_d * DAY),
        purge_visitors: round(keep.absent_visitors_d * DAY),
        forget_answers: round(settings.limits.idempotency_keep_h * HOUR),
    }


class Retention:
    """Runs wherever its lease is held."""

    def __init__(self, desk: Desk, lease: Lease, keep: Mapping[Part, Micros]) -> None:
        self._desk = desk
        self._lease = lease
        self._keep = keep

    async def run(self) -> None:
        """Hold the lease and tidy up, until cancelled."""
        await hold_and_work(self._lease, self._desk.clock, self._work)

    async def _work(self, fence: int) -> None:
        clock = self._desk.clock
        next_at = clock.now() + FIRST_AFTER
        while self._lease.held():
            if clock.now() >= next_at:
                await self.tidy(fence)
                next_at = clock.now() + EVERY
            look_again = self._lease.look_again_at()
            await clock.sleep_until(next_at if look_again is None else min(next_at, look_again))

    async def tidy(self, fence: int) -> None:
        """Everything that is old now, batch by batch; a loss of the lease ends it."""
        for part, age in self._keep.items():
            count = await self._all_of(part, age, fence)
            if count:
                log.info("tidied up", part=part.__name__, rows=count)

    async def _all_of(self, part: Part, age: Micros, fence: int) -> int:
        count = 0
        while self._lease.held():
            taken = await self._desk.run(batch, part, age, self._lease.name, fence)
            killpoint("retention.after_batch")
            count += taken
            if taken < BATCH:
                break
            await self._desk.clock.sleep_until(self._desk.clock.now() + REST)
        return count


def batch(tx: Tx, part: Part, age: Micros, lease: str, fence: int) -> int:
    """One bounded step; how many rows it took. Fenced if somebody else holds the lease now."""
    check_fence(tx, lease, fence)
    return part(tx, tx.now - age, BATCH)
