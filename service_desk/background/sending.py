"""Sends what agents wrote by mail and text, and fetches what came with texts: the outbox's hands for messages.

A text of unknown outcome is looked up at the provider before it may leave again. A mail of unknown outcome is not
sent again by itself: it is shown as unknown, and a person decides. What is refused for now is tried again for as long
as mail servers do, and the agent sees that it waits, and why.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
import structlog

from channels.contract import (
    AccountId,
    Channel,
    ChannelError,
    MailAddress,
    MailAttachment,
    Outbound,
    OutboundMail,
    OutboundText,
    OutcomeUnknown,
    SendFailed,
    Sent,
    TextControl,
)
from service_desk.actions import attachments, deliveries
from service_desk.background.due import Due, Outcome
from service_desk.clock import DAY, HOUR, MINUTE, SECOND, Micros
from service_desk.desk import Desk
from service_desk.domain.effects import FetchMedia, SendMessage
from service_desk.planted import planted
from service_desk.ports import Blobs
from service_desk.storage import schema
from service_desk.storage.store import Reader

MEDIA_BYTES = 5_000_000
SENDS_AT_ONCE = 10
"""Messages of one account under way together, where its channel names no number of its own."""
BACKOFF: Micros = SECOND // 2
BACKOFF_MOST: Micros = 30 * MINUTE
"""Tries of a message: the wait doubles from the one to the other, and is never shorter than the other side asks."""
MAIL_PATIENCE: Micros = 5 * DAY
"""From a mail's first try to giving it up: 4 to 5 days (RFC 5321, 4.5.4.1)."""
TEXT_PATIENCE: Micros = 4 * HOUR
"""The same for a text, and for its pictures: what comes later than that is no answer any more."""
FAULT_PATIENCE: Micros = 10 * MINUTE
"""The same for a fault of ours, such as a file that cannot be read: waiting seldom heals it, so a person hears soon."""
LOOK_UP_AFTER: Micros = MINUTE
"""From a text's request of unknown outcome to its look-up.

The provider may carry a slow request out after we have given it up, and its list may lag: before a minute is over,
that a text is not in the list proves nothing. A status callback settles it meanwhile.
"""
LOOK_UPS = 10
"""What a look-up finds may be another message of ours; so often it is asked for the next one."""
TOLD_AFTER: Micros = 10 * SECOND
"""What goes through within this is no news to the agent."""
UNKNOWN = "Nobody knows whether it was sent: ask the customer, or send it again."
STOPPED = "The number has asked for no more texts (STOP) meanwhile: it was not sent. Phone or mail instead."
FAULT = "The desk had a fault of its own, and it was not sent. Send it again; if that fails too, tell an administrator."
FAULT_SO_FAR = "The desk had a fault of its own."

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Written:
    """A message of ours with what it needs to be sent."""

    row: sa.RowMapping
    number: str | None
    signature: str
    files: tuple[sa.RowMapping, ...]
    known: frozenset[str]
    """The provider's ids of what else was sent in its contact, and of its own earlier attempts."""


class MessageSender:
    """Performs the effects of messages. `channels` by account."""

    def __init__(self, desk: Desk, channels: Mapping[AccountId, Channel], blobs: Blobs) -> None:
        self._desk = desk
        self._channels = channels
        self._blobs = blobs
        self.places: Mapping[str, int] = {
            str(account): channel.limits.at_once or SENDS_AT_ONCE for account, channel in channels.items()
        }
        """How many messages of an account may be under way together."""

    async def perform(self, item: Due) -> Outcome:
        """One try. A message that has failed for good, or of which nobody knows, says so to its agent."""
        effect, channel = item.effect, self._channels.get(AccountId(item.account))
        missing = f"There is no account {item.account}."
        if isinstance(effect, SendMessage):
            if channel is None:
                return await self._give_up(effect, missing)
            return await self._send(item, effect, channel)
        assert isinstance(effect, FetchMedia), "calls are no messages"
        return Outcome("failed", missing) if channel is None else await self._fetch(item, effect, channel)

    async def broke(self, item: Due, error: Exception) -> Outcome:
        """What becomes of a message whose try ended with a fault of ours."""
        detail = f"a fault of ours: {type(error).__name__}"
        if not isinstance(item.effect, SendMessage):
            return self._again(item, detail, FAULT_PATIENCE) or Outcome("failed", detail)
        unsure = await self._desk.read(is_unsure, item.position)
        again = self._again(item, detail, FAULT_PATIENCE, unsure=unsure)
        if again is not None:
            await self._tell(item, item.effect, again, FAULT_SO_FAR, FAULT_PATIENCE)
            return again
        if unsure:
            return await self._nobody_knows(item.effect, detail)
        return await self._give_up(item.effect, FAULT, detail)

    # --- sending --------------------------------------------------------------------------------------------

    async def _send(self, item: Due, effect: SendMessage, channel: Channel) -> Outcome:
        written = await self._desk.read(written_message, effect.message_id)
        if written is None or written.row["tries"] != effect.attempt:
            return Outcome("dropped", "the message is gone or was sent anew")
        if planted("confirmed_unsent"):
            return Outcome("confirmed", unsure=False)
        if written.row["provider_id"] is not None:
            return Outcome("confirmed", "it was sent before", unsure=False)
        message = await self._outbound(effect, written)
        if item.unsure:
            known = await self._clear_up(item, effect, channel, message, written)
            if known is not None:
                return known
        leave = await self._desk.run(
            deliveries.leave, item.position, item.attempts + 1, effect.message_id, effect.attempt
        )
        match leave:
            case "go":
                return await self._post(item, effect, channel, message)
            case "sent":
                return Outcome("confirmed", "it was sent before", unsure=False)
            case "stopped":
                return await self._give_up(effect, STOPPED)
            case "gone":
                return Outcome("dropped", "the message is gone or was sent anew")

    async def _post(self, item: Due, effect: SendMessage, channel: Channel, message: Outbound) -> Outcome:
        mail = isinstance(message, OutboundMail)
        try:
            sent = await channel.send(message)
        except OutcomeUnknown as error:
            if planted("sent_again_after_unknown"):
                await channel.send(message)
            if mail:
                return await self._nobody_knows(effect, str(error))
            return await self._in_doubt(item, effect, str(error), self._desk.clock.now() + LOOK_UP_AFTER)
        except SendFailed as error:
            if error.retry_after_s is None:
                return await self._give_up(effect, str(error))
            patience = MAIL_PATIENCE if mail else TEXT_PATIENCE
            again = self._again(item, str(error), patience, error.retry_after_s, unsure=False)
            if again is None:
                return await self._give_up(
                    effect, f"It was given up after many tries. The last one: {error}."
                )
            await self._tell(item, effect, again, f"{error}.", patience)
            return again
        except ChannelError as error:
            return await self._give_up(effect, str(error))
        status = "sent" if mail else "sending"
        await self._desk.run(deliveries.sent, effect.message_id, effect.attempt, sent.provider_id, status)
        return Outcome("confirmed", unsure=False)

    # --- what nobody knows ----------------------------------------------------------------------------------

    async def _clear_up(
        self, item: Due, effect: SendMessage, channel: Channel, message: Outbound, written: Written
    ) -> Outcome | None:
        """What became of an earlier request of unknown outcome; None: it was not carried out, another may leave."""
        if not isinstance(message, OutboundText) or not isinstance(channel, TextControl):
            return await self._nobody_knows(effect, "an earlier try was cut off")
        left = item.tried_at or self._started(item)
        if self._desk.clock.now() < left + LOOK_UP_AFTER:
            return await self._in_doubt(item, effect, "an earlier try was cut off", left + LOOK_UP_AFTER)
        try:
            found = await self._found(channel, message, written, self._started(item))
        except ChannelError as error:  # asking changed nothing: what was unknown still is
            wait_s = error.retry_after_s if isinstance(error, SendFailed) else None
            not_before = self._desk.clock.now() + round((wait_s or 0) * SECOND)
            return await self._in_doubt(item, effect, f"it cannot be looked up: {error}", not_before)
        if found is None:
            return None
        await self._desk.run(deliveries.sent, effect.message_id, effect.attempt, found.provider_id, "sending")
        return Outcome("confirmed", "found by looking it up", unsure=False)

    async def _found(
        self, channel: TextControl, message: OutboundText, written: Written, since: Micros
    ) -> Sent | None:
        """What an earlier request has left at the provider; never what another message of ours is known by."""
        known = written.known
        for _ in range(LOOK_UPS):
            found = await channel.look_up(message, since, known)
            if found is None:
                return None
            if not await self._desk.read(is_known, found.provider_id, written.row["id"]):
                return found
            known |= {found.provider_id}
        raise OutcomeUnknown("too many messages are like it")

    async def _in_doubt(self, item: Due, effect: SendMessage, why: str, not_before: Micros) -> Outcome:
        """It may have left: it stays unknown until a look-up or a report says more."""
        wait_s = (not_before - self._desk.clock.now()) / SECOND
        again = self._again(item, why, TEXT_PATIENCE, wait_s, unsure=True)
        if again is None:
            return await self._nobody_knows(effect, why)
        words = "Nobody knows yet whether it was sent; the desk is finding out."
        await self._desk.run(deliveries.waits, effect.message_id, effect.attempt, words)
        return again

    async def _nobody_knows(self, effect: SendMessage, why: str) -> Outcome:
        await self._desk.run(deliveries.failed, effect.message_id, effect.attempt, "unknown", UNKNOWN)
        return Outcome("failed", f"unknown: {why}", unsure=True)

    # --- trying again, giving up ----------------------------------------------------------------------------

    def _started(self, item: Due) -> Micros:
        return self._desk.clock.now() if item.started_at is None else item.started_at

    def _again(
        self,
        item: Due,
        why: str,
        patience: Micros,
        not_before_s: float | None = None,
        *,
        unsure: bool | None = None,
    ) -> Outcome | None:
        """Another try, after the longer of our wait and the one asked for; None when patience is over by then."""
        wait = min(BACKOFF * 2 ** min(item.attempts, 30), BACKOFF_MOST)
        at = self._desk.clock.now() + max(wait, round((not_before_s or 0) * SECOND))
        if at - self._started(item) > patience:
            return None
        return Outcome("unknown" if unsure else "ready", why, at, unsure)

    async def _tell(self, item: Due, effect: SendMessage, again: Outcome, why: str, patience: Micros) -> None:
        """The agent sees that it waits and why, unless it is a matter of seconds."""
        if again.again_at is None or again.again_at - self._started(item) < TOLD_AFTER:
            return
        until = f"{patience // DAY} days" if patience >= DAY else _span(patience)
        words = f"Not sent yet: {why} It is tried again by itself, for up to {until}."
        await self._desk.run(deliveries.waits, effect.message_id, effect.attempt, words)

    async def _give_up(self, effect: SendMessage, why: str, detail: str | None = None) -> Outcome:
        if planted("refused_marked_sent"):
            await self._desk.run(deliveries.sent, effect.message_id, effect.attempt, "<none>", "sent")
            return Outcome("confirmed", unsure=False)
        await self._desk.run(deliveries.failed, effect.message_id, effect.attempt, "failed", why)
        return Outcome("failed", detail or why, unsure=False)

    # --- what goes out, what comes in -----------------------------------------------------------------------

    async def _outbound(self, effect: SendMessage, written: Written) -> Outbound:
        row, key = written.row, f"{effect.message_id}-{effect.attempt}"
        envelope = row["envelope"] or {}
        if written.number is not None:
            return OutboundText(key, written.number, row["text"], sender=envelope.get("from"))
        files = [await self._file(each) for each in written.files]
        return OutboundMail(
            key=effect.message_id,  # the same mail, however often it is tried: its Message-ID stays
            to=tuple(MailAddress(each["address"], each["name"]) for each in envelope["to"]),
            cc=tuple(MailAddress(each["address"], each["name"]) for each in envelope.get("cc", ())),
            subject=envelope["subject"],
            text=f"{row['text']}\n\n-- \n{written.signature}" if written.signature else row["text"],
            html=row["html"],
            written_at=row["at"],
            thread_id=envelope["thread"],
            in_reply_to=envelope.get("in_reply_to"),
            references=tuple(envelope.get("references", ())),
            attachments=tuple(files),
            sender_name=row["author_name"],
        )

    async def _file(self, row: sa.RowMapping) -> MailAttachment:
        content = await asyncio.to_thread(self._blobs.get, row["blob"])
        return MailAttachment(row["name"], row["media_type"], content, row["content_id"], row["inline"])

    async def _fetch(self, item: Due, effect: FetchMedia, channel: Channel) -> Outcome:
        if not isinstance(channel, TextControl):
            return Outcome("failed", "this account fetches nothing")
        try:
            media = await channel.fetch_media(effect.url, MEDIA_BYTES)
        except ChannelError as error:
            wait_s = error.retry_after_s if isinstance(error, SendFailed) else 0.0
            again = None if wait_s is None else self._again(item, str(error), TEXT_PATIENCE, wait_s)
            return again or Outcome("failed", str(error))
        blob = await asyncio.to_thread(self._blobs.put, media.content)
        size = len(media.content)
        await self._desk.run(attachments.fetched, effect.attachment_id, media.media_type, size, blob)
        return Outcome("confirmed")


def _span(patience: Micros) -> str:
    return f"{patience // HOUR} hours" if patience >= HOUR else f"{patience // MINUTE} minutes"


def written_message(reader: Reader, message_id: str) -> Written | None:
    """A message of ours as it is to be sent, None if it is not there any more."""
    row = reader.get(schema.message, message_id)
    if row is None:
        return None
    contact = reader.get(schema.interaction, row["interaction_id"])
    assert contact is not None, "a message has a contact"
    file = schema.attachment
    files = reader.all(sa.select(file).where(file.c.message_id == message_id).order_by(file.c.id))
    box = reader.config.mailbox(contact["account"])
    number = row["envelope"]["to"] if contact["channel"] == "sms" else None
    signature = box.signature if box is not None else ""
    return Written(row, number, signature, tuple(files), _known(reader, row) if number else frozenset())


def is_unsure(reader: Reader, position: int) -> bool:
    """Whether a request of this effect left of which nobody knows what became of it."""
    table = schema.effect
    return bool(reader.scalar(sa.select(table.c.unsure).where(table.c.position == position)))


def is_known(reader: Reader, provider_id: str, message_id: str) -> bool:
    """Whether the provider's id belongs to another message than this one."""
    table = schema.message
    others = sa.select(table.c.id).where(table.c.provider_id == provider_id, table.c.id != message_id)
    return reader.first(others) is not None


def _known(reader: Reader, row: sa.RowMapping) -> frozenset[str]:
    table = schema.message
    others = sa.select(table.c.provider_id, table.c.former_ids).where(
        table.c.interaction_id == row["interaction_id"], table.c.author_kind == "agent"
    )
    found: set[str] = set()
    for each in reader.all(others):
        found |= {each["provider_id"], *(each["former_ids"] or ())} - {None}
    return frozenset(found)
