"""Does outside what actions asked for, after their commit. Every effect is claimed, tried, and its outcome kept.

ready -> sent is claimed before trying; confirmed, dropped (no longer wanted) and failed are ends; unknown means that
the provider may or may not have done it: it is read back before it is tried again, and people can see it.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import structlog

from channels.contract import AccountId, CallControl, ChannelError, OutcomeUnknown, SendFailed
from service_desk.actions.effects import claim, settle
from service_desk.background import dialling
from service_desk.background.due import Due, Outcome, Room, due_effects
from service_desk.background.pacing import Turn, Turns
from service_desk.background.sending import SENDS_AT_ONCE, MessageSender
from service_desk.background.sweep import read_back
from service_desk.clock import SECOND, Micros
from service_desk.desk import Desk
from service_desk.domain.effects import (
    CallEffect,
    ConnectCall,
    DialCustomer,
    FetchMedia,
    HangUpCall,
    PutBackCall,
    SendMessage,
)
from service_desk.follow import Pace, Signal, earliest
from service_desk.killpoint import killpoint
from service_desk.lease import Lease, hold_and_work
from service_desk.planted import planted
from service_desk.trace import about

AT_ONCE = 50
"""Calls under way together."""
FETCHES_AT_ONCE = 10
"""Pictures and files of texts that are fetched together."""
PACE_S = 0.005
"""So often at most it looks for what is due: while much is, it takes several together."""
GRACE_S = 2.0
"""What is under way when the work ends may take so long; after that its outcome is unknown."""
TRIES = 8
"""Of a call's effect. Messages are tried for a time instead: see sending.py."""
BACKOFF: Micros = SECOND // 2
BACKOFF_MOST: Micros = 30 * SECOND

log = structlog.get_logger(__name__)


class Outbox:
    """Runs wherever its lease is held.

    Calls, messages of each account, and files to fetch have places of their own, and nothing is claimed for which
    there is none: a relay that hangs holds up no call. Calls that are due for one subject go in order. Calls to
    customers wait for their account's turn before they are claimed, and take nobody's place meanwhile; one that turns
    out not to leave gives the turn back.
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
        busy, pace = _Busy({} if self._messages is None else self._messages.places), Pace(PACE_S)
        clock = self._desk.clock
        try:
            async with Signal(self._desk.bus, clock, "effect") as signal:
                turns = self._turns(signal.poke)
                while self._lease.held():
                    await pace.wait()
                    busy.reap()
                    looked_at = clock.now()
                    room = busy.room(turns.closed(looked_at), messages=self._messages is not None)
                    due, next_due = await self._desk.glance(due_effects, room)
                    lines = _in_lines(due, turns, clock.now())
                    for line, steps in lines.items():
                        task = asyncio.create_task(self._one_after_another(steps, fence))
                        task.add_done_callback(lambda _: signal.poke())
                        busy.begin(line, steps[0].item.account, task)
                    if not lines:
                        turn = turns.next_at(looked_at)
                        await signal.wait(earliest(next_due, turn, self._lease.look_again_at()))
        finally:
            await _finish(busy.tasks.values())

    def _turns(self, moved: Callable[[], None]) -> Turns:
        rates = {str(account): phone.calls_per_second for account, phone in self._phones.items()}
        return Turns(rates, self._desk.clock.now(), moved)

    async def _one_after_another(self, steps: Sequence["_Step"], fence: int) -> None:
        for step in steps:
            if not await self._do(step, fence):
                return

    async def _do(self, step: "_Step", fence: int) -> bool:
        """Try one effect; whether the subject's next one may follow."""
        item = step.item
        with about(interaction=item.subject, kind=item.effect.KIND), step.turn or nullcontext():
            return await self._do_one(item, step.turn, fence)

    async def _do_one(self, item: Due, turn: Turn | None, fence: int) -> bool:
        if not await self._desk.run(claim, item.position, self._lease.name, fence):
            return True
        killpoint("outbox.after_claim")
        done = await self._tried(item, turn)
        killpoint("outbox.after_effect")
        attempt = item.attempts + 1
        again = self._desk.clock.now() if done.again_at is None else done.again_at
        if not await self._desk.run(
            settle, item.position, attempt, done.state, done.detail, again, done.unsure
        ):
            log.warning("effect settled too late", state=done.state)
            return False
        if done.state == "confirmed":
            log.info("effect", state=done.state)
        else:
            log.warning("effect", state=done.state, detail=done.detail)
        if done.state == "failed" and isinstance(item.effect, ConnectCall | PutBackCall):
            await self._ask_why(item.effect)
        return done.state in ("confirmed", "failed")

    async def _ask_why(self, effect: CallEffect) -> None:
        """A leg that cannot be moved is mostly a leg that is gone."""
        account = AccountId(effect.account)
        if account in self._phones:
            await read_back(self._desk, self._phones[account], account, effect.call_id)

    async def _tried(self, item: Due, turn: Turn | None) -> Outcome:
        """What a try came to; a fault of ours stops nobody else, and whoever waits for the message hears of it."""
        effect = item.effect
        try:
            if isinstance(effect, ConnectCall | PutBackCall | HangUpCall):
                return self._call_again(item, *await self._call_outcome(item, effect))
            if isinstance(effect, DialCustomer):
                return await dialling.perform(self._desk, self._phones, item, effect, turn)
            return await self._sender().perform(item)
        except Exception as error:
            log.exception("effect broke")
            if isinstance(effect, SendMessage | FetchMedia):
                return await self._sender().broke(item, error)
            if isinstance(effect, DialCustomer):
                return dialling.broke(self._desk, error)
            return self._call_again(item, "unknown", f"a fault of ours: {type(error).__name__}")

    def _sender(self) -> MessageSender:
        assert self._messages is not None, "no room is made for messages without one"
        return self._messages

    def _call_again(self, item: Due, state: str, detail: str | None) -> Outcome:
        """Calls are tried a few times, soon: nobody holds a telephone for hours."""
        if state in ("unknown", "ready") and item.attempts + 1 >= TRIES:
            state = "failed"
        return Outcome(state, detail, self._desk.clock.now() + min(BACKOFF * 2**item.attempts, BACKOFF_MOST))

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
            await _perform(phone, effect, first=item.attempts == 0)
            if planted("caller_asked_twice"):
                await _perform(phone, effect, first=True)
        except OutcomeUnknown as error:
            return "unknown", str(error)
        except SendFailed as error:
            return ("failed" if error.retry_after_s is None else "ready"), str(error)
        except ChannelError as error:
            return "failed", str(error)
        return "confirmed", None


class _Busy:
    """What is under way. A line of work is a call's subject, a message's subject, or a file."""

    def __init__(self, places: Mapping[str, int]) -> None:
        self.tasks: dict[_Line, asyncio.Task[None]] = {}
        self._places = places
        self._accounts: dict[_Line, str] = {}

    def begin(self, line: "_Line", account: str, task: asyncio.Task[None]) -> None:
        self.tasks[line] = task
        self._accounts[line] = account

    def reap(self) -> None:
        """Forget what is done. Raises what stopped it: a lost lease, a database that is away."""
        for line in [line for line, task in self.tasks.items() if task.done()]:
            del self._accounts[line]
            self.tasks.pop(line).result()

    def room(self, dials_closed: Collection[str], *, messages: bool) -> Room:
        """What may be begun beside it."""
        calls = [str(key) for kind, key in self.tasks if kind == "call"]
        fetches = [key for kind, key in self.tasks if kind == "fetch" and isinstance(key, int)]
        under_way = Counter(self._accounts[line] for line in self.tasks if line[0] == "send")
        left = {account: self._places.get(account, SENDS_AT_ONCE) for account in {*self._places, *under_way}}
        return Room(
            calls=AT_ONCE - len(calls),
            sends_each=SENDS_AT_ONCE if messages else 0,
            sends={account: places - under_way[account] for account, places in left.items()},
            fetches=FETCHES_AT_ONCE - len(fetches) if messages else 0,
            busy_calls=calls,
            busy_sends=[str(key) for kind, key in self.tasks if kind == "send"],
            busy_fetches=fetches,
            dials_closed=dials_closed,
        )


_Line = tuple[str, str | int]


@dataclass(frozen=True, slots=True)
class _Step:
    """One effect of a line of work, and the turn that it took, if it needs one."""

    item: Due
    turn: Turn | None = None


def _in_lines(due: Sequence[Due], turns: Turns, now: Micros) -> dict[_Line, list[_Step]]:
    """What begins now. A call to a customer whose turn has not come does not, and holds up nothing else.

    One that is not the first of its line comes later, once it is: a turn that waits behind others is nobody's.
    """
    found: dict[_Line, list[_Step]] = {}
    for item in due:
        line, turn = _line(item), None
        if _takes_turn(item):
            turn = None if line in found else turns.take(item.account, item.due_at, now)
            if turn is None:
                continue
        found.setdefault(line, []).append(_Step(item, turn))
    return found


def _takes_turn(item: Due) -> bool:
    """Whether it is a call to a customer: looking for one that may have been made takes none."""
    return isinstance(item.effect, DialCustomer) and not item.unsure


def _line(item: Due) -> _Line:
    match item.effect:
        case SendMessage():
            return "send", item.subject
        case FetchMedia():
            return "fetch", item.position
        case _:
            return "call", item.subject


async def _finish(tasks: Collection[asyncio.Task[None]]) -> None:
    if tasks:
        await asyncio.wait(tasks, timeout=GRACE_S)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _perform(phone: CallControl, effect: CallEffect, *, first: bool) -> None:
    match effect:
        case ConnectCall():
            await phone.connect(effect.call_id, effect.interaction_id, first=first)
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
