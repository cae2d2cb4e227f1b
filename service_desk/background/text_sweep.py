"""Reads back texts whose report may have got lost: the provider calls once, and nobody may have listened.

Every 5 minutes, texts that have stood in `sending` for 10 minutes are asked about; the answer enters by the same door
as a report, so rank and repetition are handled there.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
import structlog

from channels.contract import AccountId, Channel, ChannelError, TextControl
from service_desk.actions import deliveries
from service_desk.clock import DAY, MINUTE, Micros
from service_desk.desk import Desk
from service_desk.lease import Lease, hold_and_work
from service_desk.storage import schema
from service_desk.storage.store import Reader

EVERY: Micros = 5 * MINUTE
QUIET: Micros = 10 * MINUTE
ASKED_FOR: Micros = 2 * DAY
"""A provider holds a text for ten hours at most; about older ones there is nothing more to hear."""
AT_ONCE = 100
"""Texts asked about in one sweep; the next one goes on behind them."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Quiet:
    """A text of which nothing was heard."""

    message_id: str
    account: AccountId
    provider_id: str


class TextSweep:
    """Runs wherever its lease is held. `channels` by account."""

    def __init__(self, desk: Desk, lease: Lease, channels: Mapping[AccountId, Channel]) -> None:
        self._desk = desk
        self._lease = lease
        self._controls = {
            account: channel for account, channel in channels.items() if isinstance(channel, TextControl)
        }
        self._after = ""

    async def run(self) -> None:
        """Hold the lease and sweep, until cancelled."""
        await hold_and_work(self._lease, self._desk.clock, self._work)

    async def _work(self, _fence: int) -> None:
        clock = self._desk.clock
        while self._lease.held():
            await self.sweep()
            await clock.sleep_until(clock.now() + EVERY)

    async def sweep(self) -> None:
        """Ask about the next texts that have been quiet, one after another."""
        quiet = await self._desk.read(quiet_texts, self._after)
        self._after = quiet[-1].message_id if len(quiet) == AT_ONCE else ""
        for each in quiet:
            control = self._controls.get(each.account)
            if control is None:
                continue
            try:
                report = await control.delivery(each.provider_id)
            except ChannelError as error:
                log.warning("text cannot be read back", message=each.message_id, reason=str(error))
                continue
            if report is not None:
                await self._desk.run(deliveries.changed, each.account, report, actor=each.account)


def quiet_texts(reader: Reader, after: str) -> list[Quiet]:
    """Texts that have been on their way for long, by id, behind `after`."""
    message, contact = schema.message, schema.interaction
    rows = reader.all(
        sa.select(message.c.id, contact.c.account, message.c.provider_id)
        .join(contact, contact.c.id == message.c.interaction_id)
        .where(
            sa.text("message.status = 'sending'"),  # word for word what the index holds
            message.c.provider_id.is_not(None),
            message.c.at.between(reader.now - ASKED_FOR, reader.now - QUIET),
            message.c.id > after,
        )
        .order_by(message.c.id)
        .limit(AT_ONCE)
    )
    return [Quiet(row["id"], AccountId(row["account"]), row["provider_id"]) for row in rows]
