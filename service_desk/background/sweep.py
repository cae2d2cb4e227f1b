"""Reads back legs whose end we may have missed: a status message that came while nobody listened is not sent again.

At the start, then every 30 s, each leg that should be alive and has been quiet for a while is looked up with its
provider; what it says enters by the same door as a status message, so rank and repetition are handled there. A leg
that lives on though its contact is over, because hanging it up failed for good, is hung up again.
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
from service_desk.domain.interaction import CONNECTING
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
    interaction_id: str
    stray: bool
    """Whether nobody needs it any more."""


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
        alive = await asyncio.gather(*(self._read_back(leg) for leg in legs))
        strays: dict[str, set[str]] = {}
        for leg, lives in zip(legs, alive, strict=True):
            if lives and leg.stray:
                strays.setdefault(leg.interaction_id, set()).add(leg.call_id)
        for interaction_id, call_ids in strays.items():
            for call_id in await self._desk.run(calls.end_stray_legs, interaction_id, call_ids):
                log.warning("a leg outlived its contact and is hung up again", call=call_id)

    async def _read_back(self, leg: Leg) -> bool:
        phone = self._phones.get(leg.account)
        if phone is None:
            return False
        async with self._limit:
            return await read_back(self._desk, phone, leg.account, leg.call_id)


async def read_conference(
    desk: Desk, phones: Mapping[AccountId, CallControl], interaction_id: str, within_s: float
) -> None:
    """Ask whether the two of a call that is being connected are in its conference, and say so if they are.

    For when the messages that should have told it are overdue. What cannot be asked within the time stays as it is.
    """
    joined = []
    try:
        async with asyncio.timeout(within_s):
            for leg in await desk.read(legs_outside, interaction_id):
                phone = phones.get(leg.account)
                state = None if phone is None else await phone.look_up(leg.call_id, interaction_id)
                if state is not None and not state.status.final and state.conference is not None:
                    joined.append(leg.call_id)
    except (ChannelError, TimeoutError) as error:
        log.warning("conference cannot be read back", interaction=interaction_id, reason=str(error))
    if joined:
        log.info("missed that legs joined", interaction=interaction_id, calls=joined)
        await desk.run(calls.conference_read_back, interaction_id, joined)


async def read_back(desk: Desk, phone: CallControl, account: AccountId, call_id: str) -> bool:
    """Look one leg up; if it is over, say so as its status message would have. Whether it is known to live."""
    try:
        state = await phone.look_up(call_id)
    except ChannelError as error:
        log.warning("leg cannot be read back", call=call_id, reason=str(error))
        return False
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
    return not status.final


def legs_outside(reader: Reader, interaction_id: str) -> list[Leg]:
    """The living legs of a call being connected that nobody has told us are in its conference."""
    leg, interaction = schema.call_leg, schema.interaction
    here = _LEGS.where(interaction.c.id == interaction_id, interaction.c.state == CONNECTING)
    rows = reader.all(here.where(leg.c.ended_at.is_(None), ~leg.c.in_conference).order_by(leg.c.call_id))
    return [_leg(row) for row in rows]


def living_legs(reader: Reader, quiet: Micros) -> list[Leg]:
    """Legs without an end, made at least `quiet` ago."""
    leg = schema.call_leg
    living = _LEGS.where(leg.c.ended_at.is_(None), leg.c.created_at <= reader.now - quiet)
    return [_leg(row) for row in reader.all(living.order_by(leg.c.call_id))]


_LEGS = sa.select(
    schema.call_leg.c.call_id,
    schema.call_leg.c.role,
    schema.call_leg.c.agent_id,
    schema.interaction.c.id,
    schema.interaction.c.account,
    schema.interaction.c.state,
    schema.interaction.c.agent_id.label("serving"),
).join(schema.interaction, schema.interaction.c.id == schema.call_leg.c.interaction_id)


def _leg(row: sa.RowMapping) -> Leg:
    stray = calls.is_stray(row["state"], row["serving"], row["role"], row["agent_id"])
    return Leg(AccountId(row["account"]), row["call_id"], row["id"], stray)
