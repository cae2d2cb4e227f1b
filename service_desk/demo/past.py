"""Ninety days of work: who got in touch when and why, who took it, and how it went."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from channels.contract import MailAddress
from service_desk.clock import DAY, HOUR, MINUTE, SECOND, Micros
from service_desk.demo.book import Book
from service_desk.demo.cases import Case, Cases
from service_desk.demo.contact import Contact, Origin
from service_desk.demo.people import HOUSES, Client, Register, Worker
from service_desk.demo.robot_words import letter
from service_desk.demo.words import Scenario, amount, short_day
from service_desk.domain.config import Mailbox, PhoneLine, TextLine, Widget

BUSY_HOURS = (7, 8, 8, 9, 9, 9, 10, 10, 11, 12, 13, 13, 14, 14, 15, 16)
WEEKDAY_WEIGHTS = (1.3, 1.1, 1.0, 1.0, 0.9, 0.3, 0.0)  # Monday to Sunday
TODAY_WEIGHT = 0.35
LONGEST: Micros = 45 * MINUTE  # a contact with its wrap-up: none may reach into the present
LONGEST_WRITTEN: Micros = 5 * HOUR  # the same for mail and texts, whose customers take their time
CHANNEL_SHARES = (("web_chat", 30), ("email", 6), ("sms", 8), ("phone", 56))
WRITTEN = ("email", "sms")
REPLY_SHARE = 0.6  # of answered mails and texts
READ_S = (90.0, 2_400.0)  # until an agent turns to a mail or text
REPLY_S = (240.0, 5_400.0)  # until a customer answers
ABANDONED_SHARE = 0.06
DECLINED_SHARE = 0.04
BUSY_LINE_SHARE = 0.18
NOTED_SHARE = 0.45
TIMED_OUT_SHARE = 0.15  # of wrap-ups: the time was over before an outcome was given


class Size(NamedTuple):
    """How much past to make. `contacts` are without the hotel's and without chats at night."""

    customers: int = 300
    tickets: int = 300
    days: int = 90
    contacts: int = 1_150
    hotel_contacts: int = 1_030
    night_chats: int = 12


@dataclass(slots=True)
class Plan:
    """One contact that will have happened."""

    at: Micros
    client: Client
    scenario: Scenario
    channel: str
    abandoned: bool
    night: bool = False
    case: Case | None = None
    values: dict[str, str] = field(default_factory=dict)

    def fill(self, text: str) -> str:
        """A text of the scenario with this contact's facts."""
        return text.format_map(self.values)

    @property
    def chat(self) -> bool:
        return self.channel == "web_chat"


class Past:
    """Plans contacts, then lets them happen in order of time."""

    def __init__(self, book: Book, now: Micros, size: Size) -> None:
        self._book = book
        self._random = book.random
        self._size = size
        self._now = now
        self.since = now // DAY * DAY - size.days * DAY
        self._line: PhoneLine = book.config.phone_lines[0]
        self._widget: Widget = book.config.widgets[0]
        self._box: Mailbox = book.config.mailboxes[0]
        self._texts: TextLine = book.config.text_lines[0]
        self._texted: set[str] = set()
        self._free: dict[str, Micros] = {}
        self._days = self._working_days()

    def _working_days(self) -> tuple[list[Micros], list[float]]:
        days, weights = [], []
        for start in range(self.since, self._now, DAY):
            weekday = (start // DAY + 3) % 7  # 1970-01-01 was a Thursday
            days.append(start)
            weights.append(WEEKDAY_WEIGHTS[weekday] * (TODAY_WEIGHT if start + DAY > self._now else 1.0))
        return days, weights

    def make(self, register: Register, workers: list[Worker], cases: Cases) -> None:
        """All of it: customers, contacts, tickets."""
        clients = [register.customer(None) for _ in range(round(self._size.customers * 0.8) - 1)]
        hotel = register.hotel()
        plans = [self._plan(hotel, self._moment()) for _ in range(self._size.hotel_contacts)]
        for _ in range(self._size.customers - len(clients) - 1):
            at = self._moment()
            clients.append(register.customer(at))
            plans.append(self._plan(clients[-1], at))
        rest = self._size.contacts - (len(plans) - self._size.hotel_contacts)
        plans += [self._plan(client, at) for client, at in self._returning(clients, max(rest, 0))]
        self._choose_cases(plans, self._size.tickets - self._size.night_chats, cases)
        plans += [self._night(self._random.choice(clients)) for _ in range(self._size.night_chats)]
        for plan in sorted(plans, key=lambda plan: (plan.at, plan.client.id)):
            if plan.night:
                self._happen_at_night(plan, register, cases)
            else:
                self._happen(plan, register, workers)
        cases.play(workers)

    # --- planning -------------------------------------------------------------------------------------------

    def _moment(self) -> Micros:
        """An instant within business hours, long enough ago to be over."""
        random = self._random
        while True:
            day = random.choices(*self._days)[0]
            at = day + random.choice(BUSY_HOURS) * HOUR + random.randrange(HOUR)
            if at < self._now - LONGEST:
                return at

    def _returning(self, clients: list[Client], count: int) -> Iterator[tuple[Client, Micros]]:
        """Some call once, some again and again."""
        weights = [min(self._random.paretovariate(1.2), 8.0) for _ in clients]
        for client in self._random.choices(clients, weights, k=count):
            at = self._moment()
            while at < client.known_since:
                at = self._moment()
            yield client, at

    def _plan(self, client: Client, at: Micros) -> Plan:
        random = self._random
        owned = {kind for kind, _ in client.appliances}
        fitting = [each for each in client.words.scenarios if each.only == client.only]
        channel = "phone" if client.only is not None else self._channel(client, at)
        if channel in WRITTEN:
            line = self._box if channel == "email" else self._texts
            fitting = [each for each in fitting if each.queue == line.default_queue] or fitting
        scenario = random.choice([each for each in fitting if owned & set(each.appliances)] or fitting)
        abandoned = random.random() < ABANDONED_SHARE and channel not in WRITTEN
        plan = Plan(at, client, scenario, channel, abandoned)
        plan.values = self._facts(client, scenario, at)
        return plan

    def _channel(self, client: Client, at: Micros) -> str:
        """How somebody gets in touch. A number has one thread of texts; in the past it is used once."""
        names, shares = [name for name, _ in CHANNEL_SHARES], [share for _, share in CHANNEL_SHARES]
        channel = self._random.choices(names, shares)[0]
        if channel in WRITTEN and at > self._now - LONGEST_WRITTEN:
            return "phone"
        if channel == "sms" and client.id in self._texted:
            return "email"
        if channel == "sms":
            self._texted.add(client.id)
        return channel

    def _facts(self, client: Client, scenario: Scenario, at: Micros) -> dict[str, str]:
        random, code = self._random, client.words.code
        fitting = [each for each in client.appliances if each[0] in scenario.appliances]
        kind, serial = random.choice(fitting or client.appliances)
        return {
            "appliance": client.words.appliances[kind],
            "serial": serial,
            "order": f"SO-{random.randrange(20_000, 90_000)}",
            "invoice": f"INV-{random.randrange(100_000, 190_000)}",
            "amount": amount(code, random),
            "day": short_day(code, at - random.randint(1, 9) * DAY),
            "first": client.first,
            "name": client.name,
            "house": random.choice(HOUSES),
        }

    def _night(self, client: Client) -> Plan:
        day = self._moment() // DAY * DAY
        at = day - DAY + 21 * HOUR + self._random.randrange(3 * HOUR)
        plan = self._plan(client, max(at, client.known_since + MINUTE))
        plan.channel, plan.night = "web_chat", True
        return plan

    def _choose_cases(self, plans: list[Plan], count: int, cases: Cases) -> None:
        """Which contacts become tickets: every mail, of the others those that say so more often."""
        random = self._random
        mails = [plan for plan in plans if plan.channel == "email"]
        for plan in mails:
            plan.case = cases.plan(plan.client, plan.scenario, plan.values)
        weighted = []
        for plan in plans:
            if plan.abandoned or plan.case is not None:
                continue
            weight = 4.0 if plan.scenario.outcome in {"ticket", "technician"} else 1.0
            weight *= 0.15 if plan.client.only else 1.0
            weighted.append((random.random() ** (1 / weight), plan))
        weighted.sort(key=lambda pair: pair[0], reverse=True)
        for _, plan in weighted[: count - len(mails)]:
            plan.case = cases.plan(plan.client, plan.scenario, plan.values)

    # --- happening ------------------------------------------------------------------------------------------

    def _happen(self, plan: Plan, register: Register, workers: list[Worker]) -> None:
        if plan.channel in WRITTEN:
            self._correspond(plan, workers)
            return
        contact, at = self._arrive(plan, register)
        at += SECOND if plan.chat else round(self._random.uniform(4, 14) * SECOND)
        contact.join_queue(at, plan.scenario.queue)
        if plan.abandoned:
            contact.abandon(at + round(self._random.expovariate(1 / 95) * SECOND) + 2 * SECOND)
            return
        worker, at = self._ring(plan, contact, at, workers)
        ended_at = self._talk(plan, contact, worker, at)
        self._free[worker.id] = self._wrap_up(plan, contact, ended_at)

    def _correspond(self, plan: Plan, workers: list[Worker]) -> None:
        """A mail or text, its answer, mostly the customer's reply and an end."""
        random, lines = self._random, [plan.fill(line) for line in plan.scenario.talk]
        letters = Letters(self._book, plan, self._box, self._texts)
        worker, at = self._take_turn(plan, letters, plan.at, lines[:2], workers)
        if len(lines) > 3 and random.random() < REPLY_SHARE:
            letters.contact.park(at)
            self._free[worker.id] = at
            at += round(random.uniform(*REPLY_S) * SECOND)
            worker, at = self._take_turn(plan, letters, at, lines[2:4], workers)
        at += round(random.uniform(5, 30) * SECOND)
        if plan.channel == "sms" and plan.case is not None:
            plan.case.open(at, worker, letters.contact.row)
        letters.contact.end(at, "agent")
        self._free[worker.id] = self._wrap_up(plan, letters.contact, at)

    def _take_turn(
        self, plan: Plan, letters: "Letters", at: Micros, lines: list[str], workers: list[Worker]
    ) -> tuple[Worker, Micros]:
        """The customer's message and its answer: (who answered, when)."""
        letters.receive(at, lines[0])
        at += round(self._random.uniform(*READ_S) * SECOND)
        worker, at = self._ring(plan, letters.contact, at, workers)
        at += round(self._random.uniform(40, 240) * SECOND)
        letters.answer(at, worker, lines[1])
        return worker, at

    def _arrive(self, plan: Plan, register: Register) -> tuple[Contact, Micros]:
        client = plan.client
        if not plan.chat:
            assert client.phone is not None, "everybody has a telephone"
            line = self._line
            origin = Origin(
                "phone", line.account, line.brand_id, client.id, client.phone.display, language=line.language
            )
            return Contact(self._book, plan.at, origin), plan.at
        visitor = register.visitor(client, self._widget.id, plan.at)
        widget = self._widget
        caller = client.mailbox.value if client.mailbox else client.name
        topic = next(topic.name for topic in widget.topics if topic.queue == plan.scenario.queue)
        origin = Origin("web_chat", widget.id, widget.brand_id, client.id, caller, topic, client.words.code)
        contact = Contact(self._book, plan.at, origin)
        visitor.update(interaction_id=contact.id, seen_at=plan.at)
        contact.write(plan.at, "customer", client.id, client.name, plan.fill(plan.scenario.talk[0]))
        return contact, plan.at

    def _ring(self, plan: Plan, contact: Contact, at: Micros, workers: list[Worker]) -> tuple[Worker, Micros]:
        """Offer it until somebody accepts: (who, when)."""
        random = self._random
        if random.random() < BUSY_LINE_SHARE:
            at += round(random.lognormvariate(3.2, 0.8) * SECOND)  # others were being served first
        first, *others = self._candidates(plan, at, workers)
        if others and random.random() < DECLINED_SHARE:
            contact.offer(at, first.id, self._idle_since(first))
            at += round(random.uniform(2, 8) * SECOND)
            contact.decline(at, random.choice(self._book.config.decline_reasons).id)
            first = others[0]
        at = max(at, self._free.get(first.id, 0))
        contact.offer(at, first.id, self._idle_since(first))
        at += round(random.uniform(2, 11) * SECOND)
        contact.accept(at)
        return first, at

    def _candidates(self, plan: Plan, at: Micros, workers: list[Worker]) -> list[Worker]:
        """Who may take it, those first who are free, speak the language and have idled longest."""
        able = [
            worker
            for worker in workers
            if plan.scenario.queue in worker.person.queues
            and worker.person.capacity.get(plan.channel, 0)
            and worker.person.role == "agent"
        ]
        skill = plan.client.words.skill
        return sorted(
            able,
            key=lambda worker: (
                self._free.get(worker.id, 0) > at,
                skill not in worker.person.skills,
                self._free.get(worker.id, 0),
                worker.id,
            ),
        )

    def _idle_since(self, worker: Worker) -> Micros:
        return self._free.get(worker.id, self.since)

    def _talk(self, plan: Plan, contact: Contact, worker: Worker, at: Micros) -> Micros:
        """From the accept to the goodbye; when that was."""
        random = self._random
        if not plan.chat:
            at += round(random.uniform(0.8, 2.5) * SECOND)
            contact.connect(at)
        began = at
        at = self._write_lines(plan, contact, worker, at) if plan.chat else self._speak(at)
        if plan.case is not None or random.random() < NOTED_SHARE:
            noted = began + round((at - began) * 0.8) if not plan.chat else at
            contact.note(noted, worker.person.name, plan.fill(plan.scenario.note))
        if plan.case is not None:
            plan.case.open(began + round((at - began) * 0.9), worker, contact.row)
        at += round(random.uniform(1, 6) * SECOND)
        contact.end(at, "customer" if random.random() < 0.7 else "agent")
        return at

    def _speak(self, at: Micros) -> Micros:
        seconds = min(self._random.lognormvariate(5.2, 0.5), 900.0)
        return at + round((seconds + 20) * SECOND)

    def _write_lines(self, plan: Plan, contact: Contact, worker: Worker, at: Micros) -> Micros:
        client, random = plan.client, self._random
        for number, line in enumerate(plan.scenario.talk[1:]):
            at += round(random.uniform(8, 55) * SECOND)
            if number % 2 == 0:
                contact.write(at, "agent", worker.id, worker.person.name, plan.fill(line))
            else:
                contact.write(at, "customer", client.id, client.name, plan.fill(line))
        return at

    def _wrap_up(self, plan: Plan, contact: Contact, at: Micros) -> Micros:
        """The paperwork; when the agent is free again."""
        queue = self._book.config.queue(plan.scenario.queue)
        limit = queue.wrap_up_s * SECOND
        if plan.case is None and self._random.random() < TIMED_OUT_SHARE:
            contact.finish(at + limit, None, None)
            return at + limit
        at += round(limit * self._random.uniform(0.15, 0.9))
        outcome = (
            "ticket"
            if plan.case is not None and plan.scenario.outcome == "informed"
            else plan.scenario.outcome
        )
        contact.finish(at, outcome, plan.fill(plan.scenario.comment))
        return at

    def _happen_at_night(self, plan: Plan, register: Register, cases: Cases) -> None:
        """Nobody is there: the words become a ticket."""
        contact, at = self._arrive(plan, register)
        case = cases.plan(plan.client, plan.scenario, plan.values)
        case.leave(at, contact.row, plan.fill(plan.scenario.talk[0]))
        contact.leave_message(at, plan.scenario.queue)


class Letters:
    """The messages of one correspondence, by mail or by text."""

    def __init__(self, book: Book, plan: Plan, box: Mailbox, texts: TextLine) -> None:
        client = plan.client
        assert client.mailbox is not None, "everybody has one"
        assert client.phone is not None, "everybody has one"
        self._book = book
        self._plan = plan
        self._mail = plan.channel == "email"
        self._subject = plan.fill(plan.scenario.subject)
        self._queue = box.default_queue if self._mail else texts.default_queue
        self._number = client.phone.value
        self._address = MailAddress(client.mailbox.value, client.name)
        self._greeting = client.first
        if self._mail:
            origin = Origin(
                "email",
                box.account,
                box.brand_id,
                client.id,
                client.mailbox.value,
                self._subject,
                client.words.code,
            )
        else:
            origin = Origin(
                "sms",
                texts.account,
                texts.brand_id,
                client.id,
                client.phone.display,
                language=texts.language,
            )
        self.contact = Contact(book, plan.at, origin)
        self.contact.begin_in_queue(plan.at, self._queue)
        self._began = False

    def receive(self, at: Micros, line: str) -> None:
        """The customer writes."""
        client, code = self._plan.client, self._plan.client.words.code
        if not self._mail:
            self.contact.receive_text(at, self._number, line)
            return
        text = letter(code, self._book.random, "", [line], client.name)
        subject = f"Re: {self._subject}" if self._began else self._subject
        self.contact.receive_mail(at, self._address, subject, text)
        if not self._began and self._plan.case is not None:
            self._plan.case.leave(at, self.contact.row, text, self._subject)
        self._began = True

    def answer(self, at: Micros, worker: Worker, line: str) -> None:
        """An agent answers."""
        name, code = worker.person.name, self._plan.client.words.code
        if not self._mail:
            self.contact.answer_text(at, name, self._number, line)
            return
        text = letter(code, self._book.random, self._greeting, [line], name)
        self.contact.answer_mail(at, name, self._address, f"Re: {self._subject}", text)
