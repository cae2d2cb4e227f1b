"""Customers at a named rate, seeded and bounded: they phone, text, mail and chat, whatever becomes of the desk.

An open loop: inputs come at exponential distances whether or not earlier ones were answered. Each does what its
provider or its page would do when the desk is away: the carrier tries a webhook twice, a mail server tries again with
the same Message-ID, a chat page reconnects and says the same words under the same key. What was not acknowledged when
the run ends is not owed. Calls and texts go through the simulated carrier, whose own record is their ledger.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from random import Random
from types import MappingProxyType
from typing import Any

from channels.contract import OutcomeUnknown, SendFailed
from channels.email.send import Built, RelaySender
from channels.email.settings import Relay
from channels.simulator.faults import Fault, FaultRule
from channels.simulator.messaging import BusyError
from channels.simulator.server import RunningSimulator
from tests.chaos.ledger import Ledger
from tests.chaos.visitor import Visitor

PER_SECOND_MOST = 200.0
UNDER_WAY_MOST = 400
"""Customers at one time; further ones find no telephone and are counted."""
AGAIN_S = 0.2
WORDS = ("hello", "my oven is cold", "where is the technician", "hello?", "thank you")
SHARES: Mapping[str, float] = MappingProxyType({"call": 0.3, "text": 0.3, "mail": 0.15, "chat": 0.25})


@dataclass(frozen=True, slots=True)
class Plan:
    """Who comes, how fast, how long. `bases` are the nodes' addresses, `numbers` the carrier's, one for each node."""

    seed: int
    per_second: float
    seconds: float
    bases: Sequence[str]
    numbers: Sequence[str]
    mail_ports: Sequence[int]
    mailbox: str
    widget: str = "demo"
    shares: Mapping[str, float] = field(default_factory=lambda: SHARES)
    under_way_most: int = UNDER_WAY_MOST
    persons: int = 30
    """Of whom the desk may hear again; as many others call once."""


WRITERS = 6
"""Persons who write mails: few, so that some write to us whom no answer reaches."""
REFUSING, SILENT = "person0@example.org", "person1@example.org"
"""Mailboxes that do not exist any more, and whose server hangs up in place of an answer."""


ROUGH = (
    FaultRule(do=Fault.DUPLICATE, share=0.3),
    FaultRule(do=Fault.REORDER, match="/status", share=0.3, seconds=0.4),
    FaultRule(do=Fault.ERROR_AFTER_EFFECT, match="Messages.json", share=0.2),
)
"""What the carrier does wrong all the time."""


def rough_outside(carrier: RunningSimulator) -> None:
    """The world as it is: webhooks twice or late, texts taken and answered with 500, mailboxes that fail."""
    carrier.exchange.faults.replace(list(ROUGH))
    assert carrier.mailboxes is not None, "the load has customers who read mail"
    carrier.mailboxes.set_condition(REFUSING, "refused")
    carrier.mailboxes.set_condition(SILENT, "silent")


class Load:
    """All customers of one run."""

    def __init__(self, plan: Plan, carrier: RunningSimulator, ledger: Ledger) -> None:
        if not 0 < plan.per_second <= PER_SECOND_MOST:
            raise ValueError(f"between 0 and {PER_SECOND_MOST:g} inputs a second, not {plan.per_second:g}")
        self.plan = plan
        self.counts: Counter[str] = Counter()
        self._carrier = carrier
        self._ledger = ledger
        self._chance = Random(plan.seed)
        self._tasks: set[asyncio.Task[None]] = set()
        self._over = asyncio.Event()
        relays = (Relay(host="127.0.0.1", port=port, tls="none", timeout_s=5) for port in plan.mail_ports)
        self._relays = [RelaySender(relay, "customers.example") for relay in relays]

    async def run(self) -> None:
        """Let customers come for the plan's time, then `stop`."""
        loop = asyncio.get_running_loop()
        due = began = loop.time()
        kinds, weights = zip(*sorted(self.plan.shares.items()), strict=True)
        while (due := due + self._chance.expovariate(self.plan.per_second)) < began + self.plan.seconds:
            await asyncio.sleep(max(0.0, due - loop.time()))
            number = sum(self.counts.values())
            (kind,) = self._chance.choices(kinds, weights)
            if len(self._tasks) >= self.plan.under_way_most:
                self.counts["turned away"] += 1
                continue
            self.counts[kind] += 1
            self._start(self._customer(kind, number, Random(self._chance.getrandbits(64))))

    async def stop(self, within_s: float = 5.0) -> None:
        """Nobody tries again from now on; who is in the middle of something has a moment."""
        self._over.set()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=within_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.counts["broken"] += 1
            self._ledger.note("broken", error=f"{type(error).__name__}: {error}")

    def _customer(self, kind: str, number: int, chance: Random) -> Coroutine[Any, Any, None]:
        node = number % len(self.plan.bases)
        person = chance.randrange(self.plan.persons)
        match kind:
            case "call":
                stranger = chance.random() < 0.5
                return self._call(node, f"+1415556{number if stranger else 9000 + person:04d}", chance)
            case "text":
                return self._text(node, f"+1415557{person:04d}", chance)
            case "mail":
                return self._mail(node, f"person{person % WRITERS}@example.org", number, chance)
            case _:
                return self._chat(node, number, chance)

    # --- what they do ---------------------------------------------------------------------------------------

    async def _call(self, node: int, caller: str, chance: Random) -> None:
        """Somebody phones. Many are hung up on by the agent, some hang up themselves, sooner or later."""
        leg = self._carrier.exchange.place_call(caller, self.plan.numbers[node])
        if chance.random() < 0.4:
            await self._wait(chance.uniform(0.1, 2.5))
            self._carrier.exchange.hang_up(leg)

    async def _text(self, node: int, sender: str, chance: Random) -> None:
        """Words that are often the same as the last ones; the carrier brings them in their order."""
        with contextlib.suppress(BusyError):
            self._carrier.exchange.messaging.text(sender, self.plan.numbers[node], chance.choice(WORDS))

    async def _mail(self, node: int, sender: str, number: int, chance: Random) -> None:
        """A mail server hands a mail over, and tries again until it is taken."""
        built = self._written(sender, number, chance)
        while True:
            self._ledger.sent("mail", built.message_id, built.message, sender=sender)
            try:
                await self._relays[node].send(built)
                status = 250
            except SendFailed as error:
                status = 450 if error.retry_after_s is not None else 550
            except (OutcomeUnknown, OSError):
                status = 0
            self._ledger.answered("mail", built.message_id, status)
            if status in (250, 550) or await self._wait(AGAIN_S):
                return

    def _written(self, sender: str, number: int, chance: Random) -> Built:
        mail = EmailMessage()
        message_id = f"<{self.plan.seed}.{number}.{chance.getrandbits(64):x}@customers.example>"
        mail["From"], mail["To"], mail["Message-ID"] = sender, self.plan.mailbox, message_id
        mail["Subject"] = f"{chance.choice(WORDS)} {number}"
        mail.set_content(chance.choice(WORDS))
        return Built(sender, (self.plan.mailbox,), mail.as_bytes().replace(b"\n", b"\r\n"), message_id)

    async def _chat(self, node: int, number: int, chance: Random) -> None:
        """A visitor opens a chat, says a few things, and closes it unless an agent does."""
        key = f"{self.plan.seed}-{number}-{chance.getrandbits(32):x}"
        async with Visitor(self.plan.bases[node], self.plan.widget, self._ledger, self._over) as visitor:
            if not await visitor.say("open", f"{key}-0", chance.choice(WORDS)):
                return
            for line in range(1, chance.randrange(2, 5)):
                await self._wait(chance.uniform(0.05, 0.3))
                await visitor.say("say", f"{key}-{line}", chance.choice(WORDS))
            if not await visitor.ended(self._over, chance.uniform(0.5, 3)):
                await visitor.close_chat()

    async def _wait(self, seconds: float) -> bool:
        """Let a moment pass; whether the run is over."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), seconds)
        return self._over.is_set()
