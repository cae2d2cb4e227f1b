"""The outbox with messages in virtual time: nothing goes out twice, out of turn or unseen, or is given up early."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from channels.contract import (
    AccountId,
    DeliveryChanged,
    DeliveryStatus,
    FetchedMedia,
    Limits,
    Outbound,
    OutboundMail,
    OutboundMessage,
    OutboundText,
    OutcomeUnknown,
    SendFailed,
    Sent,
)
from service_desk.actions import attachments, deliveries, offers, writing
from service_desk.actions.effects import CLAIM, claim
from service_desk.background.due import SENDS, Room, due_effects
from service_desk.background.outbox import Outbox
from service_desk.background.sending import (
    BACKOFF_MOST,
    LOOK_UP_AFTER,
    MAIL_PATIENCE,
    TEXT_PATIENCE,
    MessageSender,
)
from service_desk.background.text_sweep import QUIET, TextSweep
from service_desk.blobs.files import FileBlobs
from service_desk.clock import DAY, HOUR, MINUTE, SECOND, ManualClock
from service_desk.desk import Desk
from service_desk.domain.effects import HangUpCall, SendMessage
from service_desk.errors import Conflict
from service_desk.lease import SoleLease, take
from service_desk.storage import schema
from service_desk.storage.store import Reader
from tests.service_desk.background.carrier import Carrier
from tests.service_desk.messages.conftest import MAIL, TEXTS, mail, receive, text, texted
from tests.service_desk.people import PHONE, make_agent, offer_to, phone, row_of, rows_of

LATE = "carried out five seconds late, without an answer"
LOST = "lost on the way"
CUT = "carried out at once, without an answer"


class Provider:
    """An account at a provider: the one edge. Each request takes the next step of its script, if there is one."""

    limits = Limits(text_characters=1_600, at_once=4)

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.script: list[str | Exception | asyncio.Event] = []
        self.look_ups: list[Exception] = []
        self.asked = 0
        self.tried: list[Outbound] = []
        self.made: list[tuple[str, int, OutboundMessage]] = []
        """(id, when it was or will be carried out, what)."""

    async def send(self, message: Outbound) -> Sent:
        self.tried.append(message)
        step = self.script.pop(0) if self.script else None
        if isinstance(step, Exception):
            raise step
        if isinstance(step, asyncio.Event):
            await step.wait()
        if isinstance(message, OutboundMail):
            return Sent(f"<{message.key}@desk.example>")
        if step != LOST:
            late = 5 * SECOND if step == LATE else 0
            self.made.append((f"SM{len(self.made) + 1}", self._clock.now() + late, message))
        if step in (LATE, LOST, CUT):
            raise OutcomeUnknown("no answer from the provider")
        return Sent(self.made[-1][0])

    async def look_up(
        self, message: OutboundMessage, since: int, known: frozenset[str] = frozenset()
    ) -> Sent | None:
        self.asked += 1
        if self.look_ups:
            raise self.look_ups.pop(0)
        for made_id, at, one in self.made:
            alike = (one.to, one.text) == (message.to, message.text)
            if alike and since - 5 * SECOND <= at <= self._clock.now() and made_id not in known:
                return Sent(made_id)
        return None

    async def delivery(self, provider_id: str) -> DeliveryChanged | None:
        return next(
            (DeliveryChanged(made, DeliveryStatus.DELIVERED, f"{made}:read") for made, _, _ in self.made),
            None,
        )

    async def fetch_media(self, url: str, max_bytes: int) -> FetchedMedia:
        raise SendFailed(f"{url} has more than {max_bytes} bytes")

    @property
    def texts(self) -> list[str]:
        """What customers got."""
        return [message.text for _, _, message in self.made]


class Scene:
    """A desk, a provider of texts, a relay, a carrier, and an outbox."""

    def __init__(self, desk: Desk, clock: ManualClock, folder: Path) -> None:
        self.desk, self.clock = desk, clock
        self.sms, self.relay, self.carrier = Provider(clock), Provider(clock), Carrier()
        self.blobs = FileBlobs(folder)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        channels: dict[AccountId, Any] = {AccountId(TEXTS): self.sms, AccountId(MAIL): self.relay}
        sender = MessageSender(self.desk, channels, self.blobs)
        lease = SoleLease("outbox", self.desk, "nod_1")
        self._task = asyncio.create_task(
            Outbox(self.desk, lease, {AccountId(PHONE): self.carrier}, sender).run()
        )

    async def kill(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def served(self, contact: str, login: str = "ann") -> str:
        known = await rows_of(self.desk, schema.agent, login=login)
        room = {"email": 100, "sms": 100, "phone": 1, "web_chat": 1}
        agent = str(known[0]["id"]) if known else await make_agent(self.desk, login, capacity=room)
        await self.desk.run(
            offers.accept_offer, await offer_to(self.desk, contact, agent), agent, actor=agent
        )
        return agent

    async def text_contact(self) -> tuple[str, str]:
        await texted(self.desk, text("Hello"))
        (row,) = await rows_of(self.desk, schema.interaction, channel="sms")
        return row["id"], await self.served(row["id"])

    async def mail_contact(self, number: int = 1) -> tuple[str, str]:
        before = {row["id"] for row in await rows_of(self.desk, schema.interaction)}
        await receive(self.desk, mail(number))
        (contact,) = {row["id"] for row in await rows_of(self.desk, schema.interaction)} - before
        return contact, await self.served(contact)

    async def text(self, contact: str, agent: str, words: str = "Your code is 1", key: str = "k1") -> str:
        return str(await self.desk.run(writing.send_text, contact, agent, words, key, None, actor=agent))

    async def mail(self, contact: str, agent: str, words: str = "hi", files: tuple[str, ...] = ()) -> str:
        letter = writing.Letter(["vera@example.org"], [], "Re", words, None, files)
        key = f"key-{words}"
        return str(await self.desk.run(writing.send_mail, contact, agent, letter, key, None, actor=agent))

    async def effects(self) -> list[dict[str, Any]]:
        return await rows_of(self.desk, schema.effect)

    async def message(self, message_id: str) -> dict[str, Any]:
        return await row_of(self.desk, schema.message, message_id)

    async def until(self, true: Callable[[], Awaitable[Any]], passing: int = 0) -> None:
        """Wait for a condition while that much of the desk's time passes with each look."""
        give_up = time.monotonic() + 20
        while not await true():
            assert time.monotonic() < give_up, await self.effects()
            self.clock.advance(passing)
            await asyncio.sleep(0.005)

    async def settled(self, passing: int = 0) -> list[str]:
        async def all_done() -> bool:
            return all(row["done_at"] is not None for row in await self.effects())

        await self.until(all_done, passing)
        return [row["state"] for row in await self.effects()]

    async def reaches(self, state: str, attempts: int = 1) -> None:
        """Until the newest effect is in this state after so many tries; no time passes."""

        async def there() -> bool:
            row = (await self.effects())[-1]
            return bool(row["state"] == state and row["attempts"] >= attempts)

        await self.until(there)


@pytest.fixture
async def scene(desk: Desk, clock: ManualClock, tmp_path: Path) -> AsyncIterator[Scene]:
    made = Scene(desk, clock, tmp_path / "blobs")
    yield made
    await made.kill()


# --- texts of unknown outcome -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [SendFailed("the provider cannot be reached", 5.0), SendFailed("401"), OutcomeUnknown("500")]
)
async def test_a_look_up_that_fails_leaves_it_unknown_and_sends_nothing(
    scene: Scene, error: Exception
) -> None:
    contact, agent = await scene.text_contact()
    message = await scene.text(contact, agent)
    scene.sms.script, scene.sms.look_ups = [CUT], [error, error]
    scene.start()
    await scene.reaches("unknown")
    scene.clock.advance(LOOK_UP_AFTER)
    await scene.reaches("unknown", 2)
    assert "Nobody knows yet" in (await scene.message(message))["error"]
    assert await scene.settled(SECOND) == ["confirmed"]
    assert (scene.sms.texts, scene.sms.asked) == (["Your code is 1"], 3)
    assert (await scene.message(message))["provider_id"] == "SM1"


async def test_a_look_up_that_never_answers_ends_as_unknown_and_sends_nothing(scene: Scene) -> None:
    contact, agent = await scene.text_contact()
    message = await scene.text(contact, agent)
    scene.sms.script, scene.sms.look_ups = [CUT], [SendFailed("429", 60.0)] * 1_000
    scene.start()
    began = scene.clock.now()
    assert await scene.settled(MINUTE) == ["failed"]
    assert TEXT_PATIENCE - BACKOFF_MOST <= scene.clock.now() - began <= TEXT_PATIENCE + HOUR
    row = await scene.message(message)
    assert (row["status"], len(scene.sms.tried)) == ("unknown", 1)


async def test_a_request_that_is_carried_out_late_is_waited_for(scene: Scene) -> None:
    contact, agent = await scene.text_contact()
    message = await scene.text(contact, agent)
    scene.sms.script = [LATE]
    scene.start()
    await scene.reaches("unknown")
    left_at = scene.clock.now()
    scene.clock.advance(LOOK_UP_AFTER - 1)
    (row,) = await scene.effects()
    assert (row["due_at"], scene.sms.asked) == (left_at + LOOK_UP_AFTER, 0)
    assert await scene.settled(SECOND) == ["confirmed"]
    assert (scene.sms.texts, (await scene.message(message))["provider_id"]) == (["Your code is 1"], "SM1")


async def test_what_the_provider_never_had_goes_after_the_look_up(scene: Scene) -> None:
    contact, agent = await scene.text_contact()
    await scene.text(contact, agent)
    scene.sms.script = [LOST, SendFailed("429", 1.0), LOST]
    scene.start()
    assert await scene.settled(5 * SECOND) == ["confirmed"]
    assert (len(scene.sms.tried), scene.sms.texts, scene.sms.asked) == (4, ["Your code is 1"], 2)


async def test_a_report_settles_it_meanwhile(scene: Scene) -> None:
    """Also a report of failure: the provider had it, so nothing sends it again by itself."""
    contact, agent = await scene.text_contact()
    message = await scene.text(contact, agent)
    scene.sms.script = [LOST]
    scene.start()
    await scene.reaches("unknown")
    report = DeliveryChanged("SM9", DeliveryStatus.UNDELIVERED, "d1", key=f"{message}-1", error="It is off.")
    await scene.desk.run(deliveries.changed, TEXTS, report)
    assert await scene.settled(5 * SECOND) == ["confirmed"]
    row = await scene.message(message)
    assert (row["status"], row["provider_id"], row["error"]) == ("undelivered", "SM9", "It is off.")
    assert (len(scene.sms.tried), scene.sms.asked) == (1, 0)


@pytest.mark.parametrize("left", [True, False])
async def test_who_died_after_the_claim_is_followed_by_one_who_knows_whether_it_left(
    scene: Scene, *, left: bool
) -> None:
    contact, agent = await scene.text_contact()
    message = await scene.text(contact, agent)
    fence = await scene.desk.run(take, "outbox", "nod_dead")
    (row,) = await scene.effects()
    assert await scene.desk.run(claim, row["position"], "outbox", fence)
    if left:
        assert await scene.desk.run(deliveries.leave, row["position"], 1, message, 1) == "go"
        await scene.sms.send(OutboundText("k", "+14155550123", "Your code is 1"))
    scene.clock.advance(CLAIM)
    scene.start()
    assert await scene.settled(SECOND) == ["confirmed"]
    assert (scene.sms.texts, scene.sms.asked) == (["Your code is 1"], 1 if left else 0)


async def test_who_lost_the_claim_sends_nothing(scene: Scene) -> None:
    contact, agent = await scene.text_contact()
    message = await scene.text(contact, agent)
    fence = await scene.desk.run(take, "outbox", "nod_1")
    (row,) = await scene.effects()
    assert await scene.desk.run(claim, row["position"], "outbox", fence)
    scene.clock.advance(CLAIM)
    assert await scene.desk.run(claim, row["position"], "outbox", fence)
    assert await scene.desk.run(deliveries.leave, row["position"], 1, message, 1) == "gone"
    assert await scene.desk.run(deliveries.leave, row["position"], 2, message, 1) == "go"


async def test_an_earlier_attempt_is_not_taken_for_this_one(scene: Scene) -> None:
    contact, agent = await scene.text_contact()
    message = await scene.text(contact, agent)
    scene.start()
    await scene.settled()
    failed = DeliveryChanged("SM1", DeliveryStatus.UNDELIVERED, "d1", error="The phone is off.")
    await scene.desk.run(deliveries.changed, TEXTS, failed)
    scene.sms.script = [LOST]
    await scene.desk.run(writing.retry, contact, message, agent, actor=agent)
    assert await scene.settled(SECOND) == ["confirmed", "confirmed"]
    row = await scene.message(message)
    assert (len(scene.sms.tried), row["provider_id"], row["former_ids"]) == (3, "SM2", ["SM1"])


async def test_another_message_with_the_same_words_is_not_taken_for_this_one(scene: Scene) -> None:
    """The same words to the same number in another contact; the look-up itself cannot tell them apart."""
    contact, agent = await scene.text_contact()
    message = await scene.text(contact, agent)
    other, _ = await scene.mail_contact()
    letter = {"status": "sent", "provider_id": "SM1", "envelope": {}}
    await scene.desk.run(_add_message, other, letter)
    scene.sms.made.append(("SM1", scene.clock.now(), OutboundText("o", "+14155550123", "Your code is 1")))
    scene.sms.script = [LOST]
    scene.start()
    assert await scene.settled(SECOND) == ["confirmed"]
    assert (await scene.message(message))["provider_id"] == "SM2"


def _add_message(tx: Any, contact: str, letter: dict[str, Any]) -> None:
    from service_desk.actions import interactions, messages

    row = interactions.must_get(tx, contact)
    more: dict[str, Any] = {"author_kind": "agent", "author_id": None, "author_name": "", "key": None}
    messages.add_message(tx, row, text="hi", letter=letter, **more)


# --- trying again, giving up --------------------------------------------------------------------------------


async def test_a_mail_that_is_put_off_waits_as_asked_and_says_so(scene: Scene) -> None:
    contact, agent = await scene.mail_contact()
    message = await scene.mail(contact, agent)
    scene.relay.script = [SendFailed("the relay refused a recipient: 451 4.7.1", 60.0)]
    scene.start()
    await scene.reaches("ready")
    (row,) = await scene.effects()
    assert row["due_at"] == scene.clock.now() + 60 * SECOND
    shown = await scene.message(message)
    assert shown["status"] == "queued"
    assert "451 4.7.1" in shown["error"]
    assert "5 days" in shown["error"]
    lines = await rows_of(scene.desk, schema.message, kind="system", text="mail.delayed")
    assert len(lines) == 1
    with pytest.raises(Conflict):
        await scene.desk.run(writing.retry, contact, message, agent, actor=agent)
    assert await scene.settled(SECOND) == ["confirmed"]
    shown = await scene.message(message)
    assert (shown["status"], shown["error"]) == ("sent", None)


async def test_a_mail_is_tried_for_days(scene: Scene) -> None:
    contact, agent = await scene.mail_contact()
    message = await scene.mail(contact, agent)
    scene.relay.script = [SendFailed("450", 60.0)] * 2_000
    scene.start()
    began = scene.clock.now()
    assert await scene.settled(10 * MINUTE) == ["failed"]
    assert MAIL_PATIENCE - BACKOFF_MOST <= scene.clock.now() - began <= MAIL_PATIENCE + DAY
    row = await scene.message(message)
    assert row["status"] == "failed"
    assert "many tries" in row["error"]


async def test_a_mail_of_unknown_outcome_is_shown_and_not_sent_again(scene: Scene) -> None:
    contact, agent = await scene.mail_contact()
    message = await scene.mail(contact, agent)
    scene.relay.script = [OutcomeUnknown("no answer after the mail")]
    scene.start()
    assert await scene.settled(SECOND) == ["failed"]
    assert ((await scene.message(message))["status"], len(scene.relay.tried)) == ("unknown", 1)


async def test_a_file_that_is_missing_is_told_in_words(scene: Scene) -> None:
    contact, agent = await scene.mail_contact()
    lost = attachments.StoredFile("a.pdf", "application/pdf", 3, "ab" * 32)
    file = await scene.desk.run(attachments.upload, contact, agent, lost, actor=agent)
    message = await scene.mail(contact, agent, files=(file,))
    scene.start()
    assert await scene.settled(10 * SECOND) == ["failed"]
    row = await scene.message(message)
    assert row["status"] == "failed"
    assert "fault of its own" in row["error"]
    await scene.desk.run(writing.retry, contact, message, agent, actor=agent)


async def test_a_fault_after_it_may_have_left_is_unknown(scene: Scene) -> None:
    contact, agent = await scene.mail_contact()
    message = await scene.mail(contact, agent)
    scene.relay.script = [ZeroDivisionError()]
    scene.start()
    assert await scene.settled(SECOND) == ["failed"]
    assert ((await scene.message(message))["status"], len(scene.relay.tried)) == ("unknown", 1)


async def test_an_account_that_is_gone_is_told_in_words(scene: Scene) -> None:
    contact, agent = await scene.mail_contact()
    message = await scene.mail(contact, agent)
    await scene.desk.run(_move_account, "mail-old")
    scene.start()
    assert await scene.settled() == ["failed"]
    row = await scene.message(message)
    assert (row["status"], row["error"]) == ("failed", "There is no account mail-old.")


def _move_account(tx: Any, account: str) -> None:
    tx.write(schema.effect.update().values(account=account))


# --- order, places ------------------------------------------------------------------------------------------


async def test_what_was_written_later_is_sent_later(scene: Scene) -> None:
    contact, agent = await scene.mail_contact()
    scene.relay.script = [SendFailed("451", 60.0), SendFailed("451", 60.0)]
    await scene.mail(contact, agent, "first")
    await scene.mail(contact, agent, "second")
    scene.start()
    await scene.reaches("ready", 0)

    async def tried() -> bool:
        return (await scene.effects())[0]["state"] == "ready" and bool(scene.relay.tried)

    await scene.until(tried)
    await scene.mail(contact, agent, "third")
    due = [row["due_at"] for row in await scene.effects()]
    assert due == [scene.clock.now() + 60 * SECOND] * 3, "nothing waits that could not go"
    assert await scene.settled(SECOND) == ["confirmed"] * 3
    words = [message.text for message in scene.relay.tried if isinstance(message, OutboundMail)]
    assert words == ["first", "first", "first", "second", "third"]


async def test_a_call_does_not_wait_behind_a_message(scene: Scene) -> None:
    contact, agent = await scene.mail_contact()
    scene.relay.script = [SendFailed("451", 60.0)] * 100
    await scene.mail(contact, agent)
    scene.start()
    await scene.reaches("ready")
    await scene.desk.run(_hang_up, contact)
    await scene.until(lambda: asyncio.sleep(0, scene.carrier.done))
    assert scene.carrier.done == [("hang_up", "CA1")]


def _hang_up(tx: Any, contact: str) -> None:
    tx.later(HangUpCall(PHONE, contact, "CA1"))


async def test_a_relay_that_hangs_holds_up_no_call_no_text_and_no_more_mails_than_it_has_places(
    scene: Scene,
) -> None:
    stuck = asyncio.Event()
    scene.relay.script = [stuck] * 60
    for number in range(1, 11):
        contact, agent = await scene.mail_contact(number)
        await scene.mail(contact, agent, f"mail {number}")
    scene.start()
    await scene.until(lambda: asyncio.sleep(0, len(scene.relay.tried) >= 4))
    texted_contact, agent = await scene.text_contact()
    await scene.text(texted_contact, agent)
    bob = await make_agent(scene.desk, "bob")
    call = await phone(scene.desk, "CA1")
    await scene.desk.run(offers.accept_offer, await offer_to(scene.desk, call, bob), bob)
    await scene.until(lambda: asyncio.sleep(0, scene.carrier.done and scene.sms.texts))
    assert scene.carrier.in_conference == {"CA1": call}
    states = [row["state"] for row in await scene.effects() if row["account"] == MAIL]
    assert (states.count("sent"), states.count("ready"), len(scene.relay.tried)) == (4, 6, 4)
    stuck.set()
    assert set(await scene.settled()) == {"confirmed"}


async def test_ten_thousand_that_wait_are_not_looked_through(scene: Scene) -> None:
    await scene.desk.run(_many_waiting, 10_000)
    room = Room(calls=50, sends_each=10, fetches=10, busy_sends=["int_x"])
    assert await scene.desk.read(due_effects, room) == ([], scene.clock.now() + HOUR)
    plan = await scene.desk.read(_plan_of_sends)
    assert "ix_effect_sends" in plan
    assert "ix_effect_turns" in plan
    assert not {"TEMP B-TREE", "Sort", "Seq Scan"} & {word for word in PLAN_WORDS if word in plan}, plan
    await scene.desk.run(_now_due)
    due, _ = await scene.desk.read(due_effects, room)
    assert [item.subject for item in due] == [f"int_{number}" for number in range(10)]


PLAN_WORDS = ("TEMP B-TREE", "Sort", "Seq Scan")


def _plan_of_sends(reader: Reader) -> str:
    """How the database answers, in its own words."""
    connection = reader._connection
    postgres = connection.dialect.name == "postgresql"
    if postgres:
        connection.execute(sa.text("ANALYZE effect"))
    asked = SENDS.statement.params(account=MAIL, busy=["int_x"], limit=10)
    sql = asked.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
    explain = "EXPLAIN" if postgres else "EXPLAIN QUERY PLAN"
    return "\n".join(str(tuple(row)) for row in connection.exec_driver_sql(f"{explain} {sql}"))


def _many_waiting(tx: Any, count: int) -> None:
    for number in range(count):
        subject = f"int_{number // 2}"
        tx.later(SendMessage(MAIL, subject, f"msg_{number}"), due_at=tx.now + HOUR)


def _now_due(tx: Any) -> None:
    tx.write(schema.effect.update().values(due_at=tx.now))


# --- consent, sender ----------------------------------------------------------------------------------------


async def test_stop_holds_for_sending_again(scene: Scene) -> None:
    contact, agent = await scene.text_contact()
    message = await scene.text(contact, agent)
    scene.sms.script = [SendFailed("The phone is off.")]
    scene.start()
    await scene.settled()
    await texted(scene.desk, text("STOP", 2))
    with pytest.raises(Conflict) as refused:
        await scene.desk.run(writing.retry, contact, message, agent, actor=agent)
    assert refused.value.code == "opted_out"
    await texted(scene.desk, text("START", 3))
    await scene.desk.run(writing.retry, contact, message, agent, actor=agent)
    assert (await scene.settled())[-1] == "confirmed"


async def test_stop_holds_for_what_was_queued_before_it(scene: Scene) -> None:
    contact, agent = await scene.text_contact()
    message = await scene.text(contact, agent)
    await texted(scene.desk, text("STOP", 2))
    scene.start()
    assert await scene.settled() == ["failed"]
    row = await scene.message(message)
    assert (row["status"], scene.sms.tried) == ("failed", [])
    assert "STOP" in row["error"]


async def test_an_answer_leaves_from_the_number_that_was_texted_to(scene: Scene) -> None:
    contact, agent = await scene.text_contact()
    await scene.text(contact, agent)
    scene.start()
    await scene.settled()
    (sent,) = scene.sms.tried
    assert isinstance(sent, OutboundText)
    assert sent.sender == "+15005550006"


async def test_a_text_of_which_nothing_is_heard_is_asked_about(scene: Scene) -> None:
    contact, agent = await scene.text_contact()
    message = await scene.text(contact, agent)
    scene.start()
    await scene.settled()
    channels: dict[AccountId, Any] = {AccountId(TEXTS): scene.sms}
    sweep = TextSweep(scene.desk, SoleLease("text_sweep", scene.desk, "nod_1"), channels)
    await sweep.sweep()
    assert (await scene.message(message))["status"] == "sending", "a report may still come"
    scene.clock.advance(QUIET)
    await sweep.sweep()
    assert (await scene.message(message))["status"] == "delivered"


async def test_without_a_sender_messages_wait(scene: Scene) -> None:
    """A process that sends no messages touches none."""
    contact, agent = await scene.mail_contact()
    await scene.mail(contact, agent)
    await scene.desk.run(_hang_up, contact)
    task = asyncio.create_task(
        Outbox(scene.desk, SoleLease("outbox", scene.desk, "nod_1"), {AccountId(PHONE): scene.carrier}).run()
    )
    await scene.until(lambda: asyncio.sleep(0, scene.carrier.done))
    assert (await scene.effects())[0]["state"] == "ready"
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
