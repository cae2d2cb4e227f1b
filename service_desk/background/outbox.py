"""Does outside what actions asked for, after their commit. Every effect is claimed, tried, and its outcome kept.

ready -> sent is claimed before trying; confirmed, dropped (no longer wanted) and failed are ends; unknown means that
the provider may or may not have done it: it is read back before it is tried again, and people can see it.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
import structlog

from channels.contract import AccountId, CallControl, ChannelError, OutcomeUnknown, SendFailed
from service_desk.actions.effects import claim, settle
from service_desk.background.sending import MessageSender
from service_desk.background.sweep import read_back
from service_desk.clock import SECOND, Micros
from service_desk.desk import Desk
from service_desk.domain.effects import (
    EFFECTS,
    CallEffect,
    ConnectCall,
    Effect,
    FetchMedia,
    HangUpCall,
    PutBackCall,
    SendMessage,
)
from service_desk.follow import Signal, earliest
from service_desk.killpoint import killpoint
from service_desk.lease import Lease, hold_and_work
from service_desk.storage import schema
from service_desk.storage.prepared import Prepared
from service_desk.storage.store import Reader
from service_desk.storage.transaction import Foreseen

EFFECT = schema.effect
AT_ONCE = 50
GRACE_S = 2.0
"""What is under way when the work ends may take so long; after that its outcome is unknown."""
TRIES = 8
BACKOFF: Micros = SECOND // 2
BACKOFF_MOST: Micros = 30 * SECOND

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Due:
    """An effect whose time has come; `attempts` before this one."""

    position: int
    subject: str
    state: str
    attempts: int
    effect: Effect


class Outbox:
    """Runs wherever its lease is held.

    What is due for one subject goes in order, several subjects go side by side: a slow one holds up nobody else.
    """

    def __init__(
        self,
        desk: Desk,
        lease: Lease,
        phones: Mapping[AccountId, CallControl],
        messages: MessageSender | None = None,
    ) -> None:
        self._desk = desk
        self._lease = lease
        self._phones = phones
        self._messages = messages

    async def run(self) -> None:
        """Hold the lease and work, until cancelled."""
        await hold_and_work(self._lease, self._desk.clock, self._work)

    async def _work(self, fence: int) -> None:
        busy: dict[str, asyncio.Task[None]] = {}
        try:
            async with Signal(self._desk.bus, self._desk.clock, "effect") as signal:
                while self._lease.held():
                    _reap(busy)
                    room = AT_ONCE - len(busy)
                    due, next_due = await self._desk.glance(due_effects, room, busy) if room else ([], None)
                    for subject, items in _by_subject(due).items():
                        busy[subject] = asyncio.create_task(self._one_after_another(items, fence))
                        busy[subject].add_done_callback(lambda _: signal.poke())
                    if not due:
                        await signal.wait(earliest(next_due, self._lease.look_again_at()))
        finally:
            await _finish(busy.values())

    async def _one_after_another(self, items: Sequence[Due], fence: int) -> None:
        for item in items:
            if not await self._do(item, fence):
                return

    async def _do(self, item: Due, fence: int) -> bool:
        """Try one effect; whether the subject's next one may follow."""
        if not await self._desk.run(claim, item.position, self._lease.name, fence):
            return True
        killpoint("outbox.after_claim")
        state, detail = await self._tried(item)
        killpoint("outbox.after_effect")
        now = self._desk.clock.now()
        if state in ("unknown", "ready") and item.attempts + 1 >= TRIES:
            state = "failed"
        again = now + min(BACKOFF * 2**item.attempts, BACKOFF_MOST)
        if not await self._desk.run(settle, item.position, item.attempts + 1, state, detail, again):
            log.warning(
                "effect settled too late", kind=item.effect.KIND, interaction=item.subject, state=state
            )
            return False
        if state != "confirmed":
            log.warning("effect", kind=item.effect.KIND, interaction=item.subject, state=state, detail=detail)
        if state == "failed" and isinstance(item.effect, ConnectCall | PutBackCall):
            await self._ask_why(item.effect)
        return state in ("confirmed", "failed")

    async def _ask_why(self, effect: CallEffect) -> None:
        """A leg that cannot be moved is mostly a leg that is gone."""
        account = AccountId(effect.account)
        if account in self._phones:
            await read_back(self._desk, self._phones[account], account, effect.call_id)

    async def _tried(self, item: Due) -> tuple[str, str | None]:
        """(state, detail) after a try; a fault of ours leaves the outcome unknown and stops nobody else."""
        try:
            return await self._outcome(item)
        except Exception as error:
            log.exception("effect broke", kind=item.effect.KIND, interaction=item.subject)
            return "unknown", f"a fault of ours: {type(error).__name__}"

    async def _outcome(self, item: Due) -> tuple[str, str | None]:
        effect = item.effect
        if not isinstance(effect, SendMessage | FetchMedia):
            return await self._call_outcome(item, effect)
        if self._messages is None:
            return "failed", "nothing here sends messages"
        unsure = item.attempts > 0 and item.state != "ready"
        return await self._messages.perform(effect, unsure=unsure, last=item.attempts + 1 >= TRIES)

    async def _call_outcome(self, item: Due, effect: CallEffect) -> tuple[str, str | None]:
        phone = self._phones.get(AccountId(effect.account))
        if phone is None:
            return "failed", f"no phone account {effect.account}"
        try:
            if item.attempts > 0 and await _already_done(phone, effect):
                return "confirmed", "found done by read-back"
        except ChannelError as error:  # asking changed nothing: what was unknown still is
            return ("ready" if item.state == "ready" else "unknown"), f"cannot be read back: {error}"
        try:
            await _perform(phone, effect)
        except OutcomeUnknown as error:
            return "unknown", str(error)
        except SendFailed as error:
            return ("failed" if error.retry_after_s is None else "ready"), str(error)
        except ChannelError as error:
            return "failed", str(error)
        return "confirmed", None


def _by_subject(due: Sequence[Due]) -> dict[str, list[Due]]:
    found: dict[str, list[Due]] = {}
    for item in due:
        found.setdefault(item.subject, []).append(item)
    return found


def _reap(busy: dict[str, asyncio.Task[None]]) -> None:
    """Forget what is done. Raises what stopped it: a lost lease, a database that is away."""
    for subject in [subject for subject, task in busy.items() if task.done()]:
        busy.pop(subject).result()


async def _finish(tasks: Collection[asyncio.Task[None]]) -> None:
    if tasks:
        await asyncio.wait(tasks, timeout=GRACE_S)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _perform(phone: CallControl, effect: CallEffect) -> None:
    match effect:
        case ConnectCall():
            await phone.connect(effect.call_id, effect.interaction_id)
        case PutBackCall():
            await phone.put_back(effect.call_id)
        case HangUpCall():
            await phone.hang_up(effect.call_id)


async def _already_done(phone: CallControl, effect: CallEffect) -> bool:
    """Read back what an earlier try of unknown outcome may have done."""
    leg = await phone.look_up(effect.call_id, effect.interaction_id)
    if leg is None or leg.status.final:
        return True
    match effect:
        case ConnectCall():
            return leg.conference == effect.interaction_id
        case PutBackCall():
            return leg.conference is None
        case HangUpCall():
            return False


_OPEN = (
    EFFECT.c.done_at.is_(None),
    EFFECT.c.subject.not_in(sa.bindparam("busy", expanding=True, type_=EFFECT.c.subject.type)),
)
_DUE = Prepared(
    sa.select(EFFECT)
    .where(*_OPEN, EFFECT.c.due_at <= sa.bindparam("now", type_=EFFECT.c.due_at.type))
    .order_by(EFFECT.c.position)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)
_NEXT = Prepared(sa.select(sa.func.min(EFFECT.c.due_at)).where(*_OPEN))


def due_effects(reader: Reader, limit: int, busy: Collection[str] = ()) -> tuple[list[Due], Micros | None]:
    """Open effects whose time has come, oldest first, without those of busy subjects.

    If there is none, when the next one's will come. A claimed one that nobody settled counts as unknown.
    """
    wanted = {"busy": list(busy)}
    ready = {"now": reader.now, "limit": limit, **wanted}
    reader.foresee(Foreseen(_DUE, ready), Foreseen(_NEXT, wanted))
    due = [
        Due(
            row["position"],
            row["subject"],
            row["state"],
            row["attempts"],
            EFFECTS[row["kind"]](**row["data"]),
        )
        for row in reader.all(_DUE, ready)
    ]
    return due, None if due else reader.scalar(_NEXT, wanted)
