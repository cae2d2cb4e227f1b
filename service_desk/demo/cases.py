"""Past tickets: opened in a contact, noted on, solved and closed, as the ticket actions write it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from service_desk.actions.tickets import SUBJECT_CHARACTERS
from service_desk.clock import DAY, HOUR, MINUTE, Micros
from service_desk.demo.book import Book, Values
from service_desk.demo.people import Client, Worker
from service_desk.demo.words import Scenario
from service_desk.domain import events
from service_desk.domain.interaction import TICKET_DONE, TICKET_MOVES, check_move
from service_desk.storage import schema

CLOSED_AFTER: Micros = 7 * DAY
OLD: Micros = 8 * DAY
Step = tuple[Micros, Callable[[], None]]


@dataclass(slots=True)
class Case:
    """One ticket in the making."""

    client: Client
    scenario: Scenario
    values: dict[str, str]
    opened_at: Micros = 0
    worker: Worker | None = None
    contact: Values = field(default_factory=dict)
    left_text: str | None = None
    left_subject: str | None = None
    row: Values = field(default_factory=dict)
    notes: int = 0

    def open(self, at: Micros, worker: Worker, contact: Values) -> None:
        """During a contact, by its agent."""
        self.opened_at, self.worker, self.contact = at, worker, contact

    def leave(self, at: Micros, contact: Values, text: str, subject: str | None = None) -> None:
        """By a chat that found nobody, or by a mail, which has a subject."""
        self.opened_at, self.contact, self.left_text, self.left_subject = at, contact, text, subject

    def fill(self, text: str) -> str:
        return text.format_map(self.values)


class Cases:
    """Gathers cases while contacts happen, then numbers them in order of time and lets them go on."""

    def __init__(self, book: Book, now: Micros, first_number: int) -> None:
        self._book = book
        self._now = now
        self._number = first_number
        self._cases: list[Case] = []

    def plan(self, client: Client, scenario: Scenario, values: dict[str, str]) -> Case:
        """A ticket that a contact will open."""
        case = Case(client, scenario, values)
        self._cases.append(case)
        return case

    def play(self, workers: list[Worker]) -> None:
        """Open them in order of time, then what became of each."""
        self._cases.sort(key=lambda case: (case.opened_at, case.contact["id"]))
        for case in self._cases:
            self._open(case)
            self._go_on(case, workers)

    def _open(self, case: Case) -> None:
        """tickets.open_ticket."""
        at, contact = case.opened_at, case.contact
        left = case.left_text
        random = self._book.random
        urgent = case.scenario.outcome == "technician" and random.random() < 0.4
        case.row = self._book.put(
            schema.ticket,
            {
                "id": self._book.new_id("tic", at),
                "number": self._number,
                "brand_id": contact["brand_id"],
                "subject": self._subject(case),
                "description": case.fill(case.scenario.problem) if left is None else left,
                "status": "open",
                "priority": "normal"
                if left is not None
                else "high"
                if urgent
                else random.choice(("low", "normal", "normal")),
                "queue_id": case.scenario.queue,
                "customer_id": case.client.id,
                "assignee_id": case.worker.id if case.worker is not None and random.random() < 0.7 else None,
                "created_at": at,
                "updated_at": at,
                "closed_at": None,
                "version": 1,
            },
        )
        self._number += 1
        self._book.put(
            schema.ticket_interaction,
            {"ticket_id": case.row["id"], "interaction_id": contact["id"], "at": at},
        )
        actor = case.worker.id if case.worker is not None else "customer"
        self._book.say(
            at, actor, events.TicketOpened(case.row["id"], case.row["number"], case.client.id, contact["id"])
        )

    @staticmethod
    def _subject(case: Case) -> str:
        if case.left_subject is not None:
            return case.left_subject[:SUBJECT_CHARACTERS]
        if case.left_text is None:
            return case.fill(case.scenario.subject)[:SUBJECT_CHARACTERS]
        return "Chat message: " + " ".join(case.left_text.split())[:80]

    def _go_on(self, case: Case, workers: list[Worker]) -> None:
        """Notes and moves up to now: old cases are done, most of the young ones are not."""
        random = self._book.random
        able = [worker for worker in workers if case.scenario.queue in worker.person.queues]
        worker = case.worker or random.choice(able)
        at = case.opened_at + round(random.uniform(2, 30) * HOUR)
        age = self._now - case.opened_at
        done = random.random() < (0.94 if age > OLD else 0.3)
        steps: list[Step] = []
        if random.random() < 0.5:
            steps.append((at, lambda: self._note(case, at, worker, case.fill(case.scenario.note))))
        if random.random() < 0.35:
            waiting_at = at + MINUTE
            steps.append((waiting_at, lambda: self._move(case, waiting_at, worker, "pending")))
        if done:
            solved_at = at + round(random.uniform(4, 70) * HOUR)
            steps.append(
                (solved_at, lambda: self._note(case, solved_at, worker, case.fill(case.scenario.result)))
            )
            steps.append((solved_at + MINUTE, lambda: self._move(case, solved_at + MINUTE, worker, "solved")))
            closed_at = solved_at + CLOSED_AFTER
            if random.random() < 0.7:
                steps.append((closed_at, lambda: self._move(case, closed_at, worker, "closed")))
        for due, step in steps:
            if due < self._now - HOUR:
                step()

    def _note(self, case: Case, at: Micros, worker: Worker, text: str) -> None:
        """tickets.note_ticket."""
        case.notes += 1
        note = self._book.put(
            schema.note,
            {
                "id": self._book.new_id("not", at),
                "interaction_id": None,
                "ticket_id": case.row["id"],
                "customer_id": case.client.id,
                "seq": case.notes,
                "author_id": worker.id,
                "author_name": worker.person.name,
                "text": text,
                "at": at,
                "key": f"{self._book.random.getrandbits(96):024x}",
            },
        )
        self._change(case, at)
        self._book.say(at, worker.id, events.TicketNoted(case.row["id"], case.client.id, note["id"]))

    def _move(self, case: Case, at: Micros, worker: Worker, status: str) -> None:
        """tickets.change_ticket."""
        check_move(TICKET_MOVES, case.row["id"], case.row["status"], status)
        self._change(case, at, status=status, closed_at=at if status in TICKET_DONE else None)
        self._book.say(at, worker.id, events.TicketChanged(case.row["id"], case.client.id, "status", status))
        self._book.put(
            schema.audit,
            {
                "id": self._book.new_id("aud", at),
                "at": at,
                "actor": worker.id,
                "action": "ticket.changed",
                "subject": case.row["id"],
                "data": {"fields": "status"},
            },
        )

    def _change(self, case: Case, at: Micros, **values: Any) -> None:
        case.row.update(updated_at=at, **values)
        case.row["version"] += 1
