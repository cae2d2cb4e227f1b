"""The one door for what happens outside: an event becomes an action or a question, by its type."""

from prometheus_client import Counter
from sqlalchemy.exc import IntegrityError

from channels.contract import (
    Accepted,
    AccountId,
    AgentDialled,
    Answer,
    CallbackAsked,
    CallChanged,
    CallStarted,
    CallWaiting,
    ChatClosed,
    ChatOpened,
    ConferenceChanged,
    CustomerAnswered,
    DeliveryChanged,
    DigitsPressed,
    HangUp,
    Hold,
    InboundEvent,
    Join,
    MessageReceived,
    Prompt,
    TextReceived,
    Unrecognised,
)
from service_desk.actions import callbacks, calls, chats, deliveries, texts
from service_desk.desk import Desk
from service_desk.domain.interaction import ACTIVE, CONNECTING, MENU, WAITING
from service_desk.domain.spoken import phrases, place_in_words
from service_desk.errors import Invalid
from service_desk.killpoint import killpoint
from service_desk.planted import do_later, planted
from service_desk.queries.lines import line_facts
from service_desk.storage.store import Reader


class Intake:
    """Implements channels.contract.Inbox."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._events = Counter(
            "desk_inbound_events", "What came in, by kind.", ["kind"], registry=desk.measures.registry
        )

    async def receive(self, account: AccountId, event: InboundEvent) -> Answer:
        """Take an event and say what the channel should tell its sender. Raises what the action raises."""
        self._events.labels(type(event).__name__).inc()
        if planted("answer_before_commit") and isinstance(event, TextReceived):
            await do_later(self._take(account, event))
            return Accepted()
        answer = await self._take(account, event)
        killpoint("intake.before_answer")
        return answer

    async def _take(self, account: AccountId, event: InboundEvent) -> Answer:
        match event:
            case CallStarted():
                return await self._start_call(account, event)
            case DigitsPressed():
                return await self._desk.run(calls.choose, account, event, actor=account)
            case CallbackAsked():
                return await self._desk.run(calls.ask_callback, account, event, actor=account)
            case CustomerAnswered():
                return await self._desk.run(calls.customer_answered, account, event, actor=account)
            case CallWaiting():
                return await self._desk.glance(answer_while_waiting, account, event.call_id)
            case AgentDialled():
                return await self._desk.run(calls.agent_dialled, account, event, actor=account)
            case CallChanged():
                await self._desk.run(calls.leg_changed, account, event, actor=account)
            case ConferenceChanged():
                await self._desk.run(calls.conference_changed, account, event, actor=account)
            case _:
                await self._take_message(account, event)
        return Accepted()

    async def _take_message(self, account: AccountId, event: InboundEvent) -> None:
        """What is written, and how it fares."""
        match event:
            case MessageReceived():
                await self._desk.run(chats.receive_message, account, event, actor="customer")
            case TextReceived():
                await self._desk.run(texts.receive_text, account, event, actor="customer")
            case DeliveryChanged():
                await self._desk.run(deliveries.changed, account, event, actor=account)
            case ChatClosed():
                await self._desk.run(chats.close_chat, account, event, actor="customer")
            case _:
                raise Unrecognised(f"nothing here takes a {type(event).__name__}")

    async def _start_call(self, account: AccountId, event: CallStarted) -> Answer:
        """A call that is said again after its raw input was forgotten has its contact already."""
        try:
            return await self._desk.run(calls.start_call, account, event, actor=account)
        except IntegrityError:
            return await self._desk.glance(answer_while_waiting, account, event.call_id)

    async def open_chat(
        self, account: AccountId, event: ChatOpened, first: MessageReceived
    ) -> chats.ChatLine:
        """A chat begins with its first words; it has no other way in."""
        self._events.labels(type(event).__name__).inc()
        return await self._desk.run(chats.open_chat, account, event, first, actor="customer")

    async def say(self, account: AccountId, event: MessageReceived) -> chats.ChatLine:
        """Like `receive`, for a socket that wants to know what was kept."""
        self._events.labels(type(event).__name__).inc()
        return await self._desk.run(chats.receive_message, account, event, actor="customer")


def answer_while_waiting(reader: Reader, account: AccountId, call_id: str) -> Answer:
    """What a customer's leg should hear now, by where its contact stands. Changes nothing."""
    try:
        line = reader.config.phone_line(account)
    except KeyError:
        raise Invalid(f"No phone line is configured for the account {account}.", field="account") from None
    facts = line_facts(reader, account, call_id)
    if facts is None:
        return HangUp(Prompt(phrases(line.language).lost, line.language))
    if facts.state == MENU:
        return calls.ask_menu(line, attempt=1)
    if not facts.on_the_line:
        return callbacks.promise(line)
    if facts.state in WAITING:
        words = place_in_words(line.language, facts.position, facts.expected_wait_s)
        if facts.offers_callback:
            words = f"{words} {phrases(line.language).callback_offer}".strip()
        prompt = Prompt(words, line.language, line.music_url)
        return Hold(prompt, offers_callback=facts.offers_callback)
    if facts.state in (CONNECTING, ACTIVE):
        return Join(facts.interaction_id, "customer")
    return HangUp()
