"""Reads back legs whose end we may have missed: a status message that came while nobody listened is not sent again.

At the start, then every 30 s, each leg that should be alive and has been quiet for a while is looked up with its
provider; what it says enters by the same door as a status message, so rank and repetition are handled there.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
import structlog

from channels.contract import AccountId, CallChanged, CallControl, CallStatus, ChannelError
from service_desk.actions import calls
from service_desk.clock import SECOND, Micros
from service_desk.desk import Desk
from service_desk.errors import DeskError, Unavailable
from service_desk.lease import Lease, hold_and_work
from service_desk.storage import schema
from service_desk.storage.store import Reader

EVERY: Micros = 30 * SECOND
QUIET: Micros = 10 * SECOND
AT_ONCE = 10
SEQUENCE = 1_000_000_000
"""Above every sequence number that a provider gives: what we read back is the newest."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Leg:
    """A leg that our rows take for living."""

    account: AccountId
    call_id: str


class CallSweep:
    """Runs wherever its lease is held."""

    def __init__(self, desk: Desk, lease: Lease, phones: Mapping[AccountId, CallControl]) -> None:
        self._desk = desk
        self._lease = lease
        self._phones = phones
        self._limit = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """Hold the lease and sweep, until cancelled."""
        await hold_and_work(self._lease, self._desk.clock, self._work)

    async def _work(self, _fence: int) -> None:
        clock = self._desk.clock
        quiet: Micros = 0  # after a start nothing may have been heard for long
        while self._lease.held():
            await self.sweep(quiet)
            quiet = QUIET
            await clock.sleep_until(clock.now() + EVERY)

    async def sweep(self, quiet: Micros) -> None:
        """Look up every living leg that is older than `quiet`."""
        legs = await self._desk.read(living_legs, quiet)
        await asyncio.gather(*(self._read_back(leg) for leg in legs))

    async def _read_back(self, leg: Leg) -> None:
        phone = self._phones.get(leg.account)
        if phone is None:
            return
        async with self._limit:
            await read_back(self._desk, phone, leg.account, leg.call_id)


async def read_back(desk: Desk, phone: CallControl, account: AccountId, call_id: str) -> None:
    """Look one leg up; if it is over, say so as its status message would have."""
    try:
        state = await phone.look_up(call_id)
    except ChannelError as error:
        log.warning("leg cannot be read back", call=call_id, reason=str(error))
        return
    status = CallStatus.FAILED if state is None else state.status
    if status.final:
        log.info("missed the end of a leg", call=call_id, status=status.value)
        event = CallChanged(call_id, status, f"read_back:{call_id}", SEQUENCE, cause="read_back")
        try:
            await desk.run(calls.leg_changed, account, event, actor=account)
        except Unavailable:
            raise
        except DeskError as error:
            log.warning("leg's end refused", call=call_id, reason=error.detail)


def living_legs(reader: Reader, quiet: Micros) -> list[Leg]:
    """Legs without an end, made at least `quiet` ago."""
    leg, interaction = schema.call_leg, schema.interaction
    rows = reader.all(
        sa.select(leg.c.call_id, interaction.c.account)
        .join(interaction, interaction.c.id == leg.c.interaction_id)
        .where(leg.c.ended_at.is_(None), leg.c.created_at <= reader.now - quiet)
        .order_by(leg.c.call_id)
    )
    return [Leg(AccountId(row["account"]), row["call_id"]) for row in rows]
