"""One past contact, written step by step as the real actions write it.

Each method names the action that it mirrors;
tests/service_desk/test_demo_data.py plays the same stories through the actions and compares rows and log.
"""

from dataclasses import asdict, dataclass
from typing import Any

from channels.contract import CallStatus, MailAddress
from channels.email.threads import Proof
from service_desk.actions.mails import address
from service_desk.actions.messages import PREVIEW_CHARACTERS
from service_desk.clock import SECOND, Micros
from service_desk.demo.book import Book, Values
from service_desk.domain import events
from service_desk.domain import interaction as life
from service_desk.domain.media import PARKED_FOR
from service_desk.storage import schema

ROUTER = "router"
SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a contact came from."""

    channel: str
    account: str
    brand_id: str
    customer_id: str | None
    caller: str | None
    topic: str | None = None
    language: str | None = None


class Contact:
    """A contact in the making. Instants must not decrease from call to call."""

    def __init__(self, book: Book, at: Micros, origin: Origin) -> None:
        """Mirrors interactions.open_interaction."""
        self._book = book
        phone = origin.channel == "phone"
        external_id = _external_id(book, origin.channel, at)
        self.row: Values = book.put(
            schema.interaction,
            {
                "id": book.new_id("int", at),
                **asdict(origin),
                "direction": "inbound",
                "external_id": external_id,
                "state": life.MENU,
                "queue_id": None,
                "requires": {},
                "agent_id": None,
                "priority": 0,
                "attempts": 0,
                "menu_attempt": 0,
                "created_at": at,
                "queued_at": None,
                "ordering_key": None,
                "answered_at": None,
                "connected_at": None,
                "handled_at": None,
                "ended_at": None,
                "wrap_up_until": None,
                "ended_by": None,
                "end_reason": None,
                "disposition": None,
                "comment": None,
                "entry_seq": 0,
                "message_seq": 0,
                "last_text": None,
                "last_text_at": None,
                "visitor_online": True if origin.channel == "web_chat" else None,
                "hints": None,
                "callback_at": None,
                "version": 1,
            },
        )
        self._segment: Values = {}
        self._offer: Values = {}
        self._legs: dict[str, Values] = {}
        self._thread: Values = {}
        self._source = origin.account if phone else "customer"
        self._say(at, self._source, events.InteractionStarted(self.id, origin.channel, origin.customer_id))
        if phone:
            self._add_leg(at, external_id, "customer", None)

    @property
    def id(self) -> str:
        value: str = self.row["id"]
        return value

    # --- waiting --------------------------------------------------------------------------------------------

    def join_queue(self, at: Micros, queue_id: str) -> None:
        """interactions.join_queue."""
        key = self._book.config.ordering_key(queue_id, at, self.row["priority"])
        self._move(life.QUEUED, queue_id=queue_id, queued_at=at, ordering_key=key)
        self._enter(at)

    def begin_in_queue(self, at: Micros, queue_id: str) -> None:
        """interactions.open_interaction with a queue, as threads have it; right after the beginning."""
        config = self._book.config
        priority = config.head_start(queue_id, self.row["channel"])
        key = config.ordering_key(queue_id, at, priority)
        self.row.update(
            state=life.QUEUED, queue_id=queue_id, priority=priority, queued_at=at, ordering_key=key
        )
        self._enter(at)

    def _enter(self, at: Micros) -> None:
        self._open_segment(at, entered=True)
        queue_id: str = self.row["queue_id"]
        queued = events.InteractionQueued(self.id, queue_id, at, again=False, reason=None, agent_id=None)
        self._say(at, self._source, queued)

    def _open_segment(self, at: Micros, *, entered: bool) -> None:
        self._segment = self._book.put(
            schema.segment,
            {
                "id": self._book.new_id("seg", at),
                "interaction_id": self.id,
                "queue_id": self.row["queue_id"],
                "agent_id": None,
                "queued_at": at,
                "answered_at": None,
                "handled_at": None,
                "ended_at": None,
                "outcome": None,
                "target_s": self._target_s,
                "entered": entered,
                "in_target": None,
            },
        )

    @property
    def _target_s(self) -> int:
        return self._book.config.target_s(self.row["queue_id"], self.row["channel"])

    def offer(self, at: Micros, agent_id: str, idle_since: Micros) -> None:
        """offers.apply_decisions with OfferMade."""
        config, queue = self._book.config, self._book.config.queue(self.row["queue_id"])
        attempt = self.row["attempts"] + 1
        self._move(life.OFFERED, attempts=attempt)
        self._offer = self._book.put(
            schema.offer,
            {
                "id": f"{self.id}.{attempt}",
                "interaction_id": self.id,
                "agent_id": agent_id,
                "state": "pending",
                "made_at": at,
                "deadline": at + queue.ring_s * SECOND,
                "attempt": attempt,
                "closed_at": None,
                "reason": None,
                "because": {
                    "rule": "longest_idle",
                    "queue": queue.id,
                    "position": 1,
                    "waiting": 1,
                    "waited_ms": (at - self.row["queued_at"]) // 1_000,
                    "key": self.row["ordering_key"],
                    "target_ms": queue.target_s * 1_000,
                    "head_start_min": queue.priority + self.row["priority"],
                    "candidates": 1,
                    "idle_ms": max(at - idle_since, 0) // 1_000,
                    "attempt": attempt,
                    "policy_version": config.version,
                },
                "policy_version": config.version,
            },
        )
        self._say(
            at,
            ROUTER,
            events.OfferMade(
                self._offer["id"],
                self.id,
                agent_id,
                queue.id,
                self._offer["deadline"],
                attempt,
                config.version,
            ),
        )

    def decline(self, at: Micros, reason: str) -> None:
        """offers.decline_offer."""
        agent_id = self._offer["agent_id"]
        self._close_offer(at, agent_id, "declined", reason)
        self._move(life.QUEUED)
        self._book.put(
            schema.audit,
            {
                "id": self._book.new_id("aud", at),
                "at": at,
                "actor": agent_id,
                "action": "offer.declined",
                "subject": self._offer["id"],
                "data": {"reason": reason},
            },
        )

    def accept(self, at: Micros) -> None:
        """offers.accept_offer."""
        agent_id, queued_at = self._offer["agent_id"], self.row["queued_at"]
        queue = self._book.config.queue(self.row["queue_id"])
        self._close_offer(at, agent_id, "accepted", None)
        self._move(self._served_state, agent_id=agent_id, answered_at=at)
        wait = at - queued_at
        in_target = wait <= self._target_s * SECOND
        self._segment.update(agent_id=agent_id, answered_at=at, in_target=in_target)
        answered = events.InteractionAnswered(
            self.id, queue.id, agent_id, queued_at, wait, in_target=in_target, first=self._segment["entered"]
        )
        self._say(at, agent_id, answered)

    @property
    def _served_state(self) -> str:
        return life.CONNECTING if self.row["channel"] == "phone" else life.ACTIVE

    def _close_offer(self, at: Micros, actor: str, state: str, reason: str | None) -> None:
        self._offer.update(state=state, closed_at=at, reason=reason)
        closed = events.OfferClosed(self._offer["id"], self.id, self._offer["agent_id"], state, reason)
        self._say(at, actor, closed)

    def abandon(self, at: Micros) -> None:
        """interactions.finish_service while nobody has answered."""
        queued_at = self.row["queued_at"]
        queue = self._book.config.queue(self.row["queue_id"])
        self._end_leg(at, "customer")
        reason = "customer_hung_up" if self.row["channel"] == "phone" else "visitor_left"
        wait = at - queued_at
        in_target = wait <= queue.target_s * SECOND
        self._segment.update(ended_at=at, outcome="abandoned", in_target=in_target)
        self._move(life.ENDED, ended_at=at, ended_by="customer", end_reason=reason)
        abandoned = events.InteractionAbandoned(self.id, queue.id, queued_at, wait, in_target)
        self._say(at, self._source, abandoned)
        self._say(
            at, self._source, events.InteractionEnded(self.id, None, queue.id, "customer", reason, None)
        )

    def leave_message(self, at: Micros, queue_id: str) -> None:
        """chats._leave_message, after its ticket was opened: nobody is there."""
        self._move(life.ENDED, queue_id=queue_id, ended_at=at, ended_by="system", end_reason="nobody_there")
        ended = events.InteractionEnded(self.id, None, queue_id, "system", "nobody_there", None)
        self._say(at, self._source, ended)

    # --- talking --------------------------------------------------------------------------------------------

    def connect(self, at: Micros) -> None:
        """calls.agent_dialled, then calls.conference_changed for both legs."""
        agent_id, source = self.row["agent_id"], self._source
        call_id = f"CA{self._book.random.getrandbits(128):032x}"
        self._add_leg(at, call_id, "agent", agent_id)
        self._say_leg(at, source, "agent")
        conference_id = f"CF{self._book.random.getrandbits(128):032x}"
        for sequence, role in enumerate(("agent", "customer"), 1):
            self._legs[role].update(
                in_conference=True, conference_id=conference_id, conference_sequence=sequence
            )
            self._say_leg(at, source, role)
        self._move(life.ACTIVE, connected_at=at)
        self._system_line(at, source, "call.connected")
        self._say(at, source, events.InteractionConnected(self.id, agent_id))

    def write(self, at: Micros, kind: str, author_id: str | None, name: str, text: str) -> None:
        """messages.add_message, by a "customer" or an "agent"."""
        actor = author_id if kind == "agent" and author_id else self._source
        key = f"{self._book.random.getrandbits(96):024x}"
        self._add_message(at, actor, (kind, author_id, name), text, key, {})

    def _add_message(
        self,
        at: Micros,
        actor: str,
        author: tuple[str, str | None, str],
        text: str,
        key: str,
        letter: Values,
    ) -> Values:
        number = self.row["message_seq"] + 1
        self._change(
            entry_seq=self.row["entry_seq"] + 1,
            message_seq=number,
            last_text=text[:PREVIEW_CHARACTERS],
            last_text_at=at,
        )
        return self._entry(at, actor, "message", number, author, text, key, letter)

    def note(self, at: Micros, agent_name: str, text: str) -> None:
        """messages.add_note, by the agent who serves."""
        agent_id = self.row["agent_id"]
        self._change(entry_seq=self.row["entry_seq"] + 1)
        note = self._book.put(
            schema.note,
            {
                "id": self._book.new_id("not", at),
                "interaction_id": self.id,
                "ticket_id": None,
                "customer_id": self.row["customer_id"],
                "seq": self.row["entry_seq"],
                "author_id": agent_id,
                "author_name": agent_name,
                "text": text,
                "at": at,
                "key": f"{self._book.random.getrandbits(96):024x}",
            },
        )
        self._say(at, agent_id, events.EntryAdded(self.id, note["id"], "note", "agent", note["seq"]))

    # --- writing --------------------------------------------------------------------------------------------

    def receive_mail(self, at: Micros, sender: MailAddress, subject: str, text: str) -> None:
        """mails.receive_mail, without its ticket: the first mail of a thread, or an answer to ours."""
        random, began = self._book.random, not self._thread
        message_id = f"<{random.getrandbits(96):024x}@{sender.address.partition('@')[2]}>"
        key = f"mail:{random.getrandbits(256):064x}"
        if began:
            key = self.row["external_id"]
            self._begin_thread(at, sender.address, subject, None)
        box = self._book.config.mailboxes[0]
        envelope = {
            "thread": self.id,
            "from": address(sender),
            "to": [{"address": box.address, "name": ""}],
            "cc": [],
            "reply_to": [],
            "subject": subject,
            "message_id": message_id,
            "sent_at": at,
            "machine": "none",
            "remote_images": 0,
            "doubts": [],
            "claimed": None,
            "notes": [],
            "proof": (Proof.NONE if began else Proof.ADDRESS_TOKEN).value,
        }
        self._receive(at, sender.name, text, key, provider_id=message_id, envelope=envelope)
        references = [*self._thread["references"], message_id]
        self._change_thread(last_message_id=message_id, references=references, at=at)
        if not began:
            self._wake(at)

    def receive_text(self, at: Micros, number: str, text: str) -> None:
        """texts.receive_text: the first text of a number's thread, or one more."""
        began = not self._thread
        key = self.row["external_id"] if began else f"SM{self._book.random.getrandbits(128):032x}"
        if began:
            self._begin_thread(at, number, "", number)
        line = self._book.config.text_lines[0]
        envelope = {"thread": self.id, "from": number, "to": line.number, "segments": 1}
        self._receive(at, self.row["caller"], text, key, provider_id=key, envelope=envelope)
        if not began:
            self._wake(at)

    def _begin_thread(self, at: Micros, peer: str, subject: str, number: str | None) -> None:
        self._thread = self._book.put(
            schema.thread,
            {
                "id": self.id,
                "account": self.row["account"],
                "channel": self.row["channel"],
                "peer": peer,
                "customer_id": self.row["customer_id"],
                "interaction_id": self.id,
                "subject": subject,
                "contacts": 1,
                "last_message_id": None,
                "references": [],
                "number": number,
                "at": at,
                "version": 1,
            },
        )

    def _change_thread(self, **values: Any) -> None:
        self._thread.update(values)
        self._thread["version"] += 1

    def _receive(self, at: Micros, name: str, text: str, key: str, **letter: Any) -> None:
        author = ("customer", self.row["customer_id"], name)
        self._add_message(at, self._source, author, text, key, {"status": None, **letter})

    def _wake(self, at: Micros) -> None:
        """parking.requeue: the customer has written to a parked contact."""
        agent_id, queue_id = self.row["agent_id"], self.row["queue_id"]
        self._move(
            life.QUEUED,
            agent_id=None,
            queued_at=at,
            ordering_key=self._book.config.ordering_key(queue_id, at, self.row["priority"]),
            answered_at=None,
            connected_at=None,
            handled_at=None,
        )
        self._open_segment(at, entered=False)
        queued = events.InteractionQueued(
            self.id, queue_id, at, again=True, reason="customer_replied", agent_id=agent_id
        )
        self._say(at, self._source, queued)

    def answer_mail(self, at: Micros, name: str, to: MailAddress, subject: str, text: str) -> None:
        """writing.send_mail, and the relay takes it a second later."""
        envelope = {
            "thread": self.id,
            "to": [{"address": to.address, "name": ""}],
            "cc": [],
            "subject": subject,
            "in_reply_to": self._thread["last_message_id"],
            "references": list(self._thread["references"]),
        }
        entry = self._answer(at, name, text, envelope)
        self._fare(at + SECOND, SYSTEM, entry, "sent", f"<{entry['id']}@{self._domain}>")

    @property
    def _domain(self) -> str:
        return self._book.config.mailboxes[0].address.rpartition("@")[2]

    def answer_text(self, at: Micros, name: str, number: str, text: str) -> None:
        """writing.send_text, and how the provider reports it over the next seconds."""
        line = self._book.config.text_lines[0].number
        entry = self._answer(at, name, text, {"thread": self.id, "to": number, "from": line})
        provider_id = f"SM{self._book.random.getrandbits(128):032x}"
        self._fare(at + SECOND, SYSTEM, entry, "sending", provider_id)
        for seconds, status in ((2, "sent"), (3, "delivered")):
            self._fare(at + seconds * SECOND, self.row["account"], entry, status, provider_id)

    def _answer(self, at: Micros, name: str, text: str, envelope: Values) -> Values:
        agent_id: str = self.row["agent_id"]
        key = f"{self._book.random.getrandbits(96):024x}"
        letter = {"status": "queued", "envelope": envelope, "tries": 1}
        return self._add_message(at, agent_id, ("agent", agent_id, name), text, key, letter)

    def _fare(self, at: Micros, actor: str, entry: Values, status: str, provider_id: str) -> None:
        """deliveries.sent and deliveries.changed."""
        entry.update(status=status, provider_id=provider_id)
        self._say(at, actor, events.EntryChanged(self.id, entry["id"], "message", status))

    def park(self, at: Micros) -> None:
        """parking.park, in the same act as the answer."""
        agent_id: str = self.row["agent_id"]
        self._segment.update(ended_at=at, outcome="parked")
        self._move(life.PARKED, handled_at=at)
        until = at + PARKED_FOR[self.row["channel"]]
        self._say(at, agent_id, events.InteractionParked(self.id, agent_id, self.row["queue_id"], until))

    # --- ending ---------------------------------------------------------------------------------------------

    def end(self, at: Micros, ended_by: str) -> None:
        """calls.leg_changed or chats.close_chat (customer), wrap_up.end_contact (agent)."""
        phone = self.row["channel"] == "phone"
        agent_id = self.row["agent_id"]
        actor = agent_id if ended_by == "agent" else self._source
        if phone and ended_by == "customer":
            self._end_leg(at, "customer")
        if self.row["channel"] in ("phone", "web_chat"):
            self._system_line(at, actor, f"{'call' if phone else 'chat'}.ended_by_{ended_by}")
        reason = {
            ("agent", True): "agent_hung_up",
            ("agent", False): "agent_closed",
            ("customer", True): "customer_hung_up",
            ("customer", False): "visitor_left",
        }[ended_by, phone]
        until = at + self._book.config.queue(self.row["queue_id"]).wrap_up_s * SECOND
        self._move(life.WRAP_UP, wrap_up_until=until, handled_at=at, ended_by=ended_by, end_reason=reason)
        self._segment.update(handled_at=at)
        self._say(at, actor, events.WrapUpStarted(self.id, agent_id, until, ended_by, reason))
        for role in ("customer", "agent"):
            self._end_leg(at + SECOND // 5, role)

    def finish(self, at: Micros, disposition: str | None, comment: str | None) -> None:
        """wrap_up.finish by the agent, or without a disposition by the router when the time is over."""
        self._segment.update(ended_at=at, outcome="handled")
        self._move(life.ENDED, ended_at=at, disposition=disposition, comment=comment)
        row = self.row
        self._say(
            at,
            ROUTER if disposition is None else row["agent_id"],
            events.InteractionEnded(
                self.id, row["agent_id"], row["queue_id"], row["ended_by"], row["end_reason"], disposition
            ),
        )

    # --- what the steps share -------------------------------------------------------------------------------

    def _say(self, at: Micros, actor: str, event: events.Event) -> None:
        self._book.say(at, actor, event)

    def _change(self, **values: Any) -> None:
        self.row.update(values)
        self.row["version"] += 1

    def _move(self, state: str, **values: Any) -> None:
        life.check_move(life.INTERACTION_MOVES, self.id, self.row["state"], state)
        self._change(state=state, **values)

    def _system_line(self, at: Micros, actor: str, code: str) -> None:
        self._change(entry_seq=self.row["entry_seq"] + 1)
        self._entry(at, actor, "system", None, ("system", None, ""), code, None)

    def _entry(
        self,
        at: Micros,
        actor: str,
        kind: str,
        number: int | None,
        author: tuple[str, str | None, str],
        text: str,
        key: str | None,
        letter: Values | None = None,
    ) -> Values:
        entry = self._book.put(
            schema.message,
            {
                "id": self._book.new_id("msg", at),
                "interaction_id": self.id,
                "customer_id": self.row["customer_id"],
                "seq": self.row["entry_seq"],
                "message_no": number,
                "kind": kind,
                "author_kind": author[0],
                "author_id": author[1],
                "author_name": author[2],
                "text": text,
                "at": at,
                "status": "sent" if kind == "message" else None,
                "key": key,
                "quoted": None,
                "html": None,
                "envelope": None,
                "provider_id": None,
                "error": None,
                "tries": 0,
                "former_ids": None,
                **(letter or {}),
            },
        )
        self._say(at, actor, events.EntryAdded(self.id, entry["id"], kind, author[0], self.row["entry_seq"]))
        return entry

    def _add_leg(self, at: Micros, call_id: str, role: str, agent_id: str | None) -> None:
        self._legs[role] = self._book.put(
            schema.call_leg,
            {
                "call_id": call_id,
                "interaction_id": self.id,
                "role": role,
                "agent_id": agent_id,
                "dial": None,
                "status": CallStatus.IN_PROGRESS.value,
                "rank": CallStatus.IN_PROGRESS.rank,
                "sequence": -1,
                "in_conference": False,
                "conference_id": None,
                "conference_sequence": -1,
                "cause": None,
                "created_at": at,
                "ended_at": None,
            },
        )

    def _end_leg(self, at: Micros, role: str) -> None:
        leg = self._legs.get(role)
        if leg is None or leg["ended_at"] is not None:
            return
        done = CallStatus.COMPLETED
        leg.update(status=done.value, rank=done.rank, sequence=2, in_conference=False, ended_at=at)
        self._say_leg(at, self._source, role)

    def _say_leg(self, at: Micros, actor: str, role: str) -> None:
        leg = self._legs[role]
        self._say(
            at,
            actor,
            events.CallLegChanged(
                self.id, leg["call_id"], role, leg["status"], leg["in_conference"], leg["agent_id"]
            ),
        )


def _external_id(book: Book, channel: str, at: Micros) -> str:
    """What the provider calls a contact, or the first message of one."""
    match channel:
        case "phone":
            return f"CA{book.random.getrandbits(128):032x}"
        case "email":
            return f"mail:{book.random.getrandbits(256):064x}"
        case "sms":
            return f"SM{book.random.getrandbits(128):032x}"
        case _:
            return book.new_id("cht", at)
