"""Sends what agents wrote by mail and text, and fetches what came with texts: the outbox's hands for messages.

A text of unknown outcome is looked up at the provider. A mail of unknown outcome is not sent again by itself: it is
shown as unknown, and a person decides.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from channels.contract import (
    AccountId,
    Channel,
    ChannelError,
    MailAddress,
    MailAttachment,
    Outbound,
    OutboundMail,
    OutboundMessage,
    OutboundText,
    OutcomeUnknown,
    SendFailed,
    Sent,
    TextControl,
)
from service_desk.actions import attachments, deliveries
from service_desk.desk import Desk
from service_desk.domain.effects import FetchMedia, MessageEffect, SendMessage
from service_desk.ports import Blobs
from service_desk.storage import schema
from service_desk.storage.store import Reader

MEDIA_BYTES = 5_000_000
UNKNOWN = "Nobody knows whether it was sent: ask the customer, or send it again."
Outcome = tuple[str, str | None]
"""The effect's state and a detail."""


@dataclass(frozen=True, slots=True)
class Written:
    """A message of ours with what it needs to be sent."""

    row: sa.RowMapping
    number: str | None
    signature: str
    files: tuple[sa.RowMapping, ...]


class MessageSender:
    """Performs the effects of messages. `channels` by account."""

    def __init__(self, desk: Desk, channels: Mapping[AccountId, Channel], blobs: Blobs) -> None:
        self._desk = desk
        self._channels = channels
        self._blobs = blobs

    async def perform(self, effect: MessageEffect, *, unsure: bool, last: bool) -> Outcome:
        """One try. `unsure`: an earlier one may have succeeded; after the `last` the message has failed for good."""
        channel = self._channels.get(AccountId(effect.account))
        if channel is None:
            return await self._give_up(effect, f"There is no account {effect.account}.")
        match effect:
            case SendMessage():
                return await self._send(effect, channel, unsure=unsure, last=last)
            case FetchMedia():
                return await self._fetch(effect, channel, last=last)

    async def _send(  # noqa: PLR0911 - one return per outcome
        self, effect: SendMessage, channel: Channel, *, unsure: bool, last: bool
    ) -> Outcome:
        written = await self._desk.read(written_message, effect.message_id)
        if written is None or written.row["tries"] != effect.attempt:
            return "dropped", "the message is gone or was sent anew"
        if written.row["provider_id"] is not None:
            return "confirmed", "it was sent before"
        message = await self._outbound(effect, written)
        if unsure and isinstance(message, OutboundMail):
            return await self._nobody_knows(effect, "an earlier try was cut off")
        try:
            sent = await self._found(channel, message, written) if unsure else None
            sent = sent or await channel.send(message)
        except OutcomeUnknown as error:
            if isinstance(message, OutboundText) and not last:
                return "unknown", str(error)
            return await self._nobody_knows(effect, str(error))
        except SendFailed as error:
            if error.retry_after_s is not None and not last:
                return "ready", str(error)
            return await self._give_up(effect, str(error))
        except ChannelError as error:
            return await self._give_up(effect, str(error))
        status = "sent" if isinstance(message, OutboundMail) else "sending"
        await self._desk.run(deliveries.sent, effect.message_id, effect.attempt, sent.provider_id, status)
        return "confirmed", None

    async def _found(self, channel: Channel, message: Outbound, written: Written) -> Sent | None:
        """What an earlier try of unknown outcome has left at the provider."""
        if not isinstance(channel, TextControl) or not isinstance(message, OutboundMessage):
            return None
        return await channel.look_up(message, written.row["at"])

    async def _nobody_knows(self, effect: SendMessage, why: str) -> Outcome:
        await self._desk.run(deliveries.failed, effect.message_id, effect.attempt, "unknown", UNKNOWN)
        return "failed", f"unknown: {why}"

    async def _outbound(self, effect: SendMessage, written: Written) -> Outbound:
        row, key = written.row, f"{effect.message_id}-{effect.attempt}"
        envelope = row["envelope"] or {}
        if written.number is not None:
            return OutboundText(key, written.number, row["text"])
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

    async def _fetch(self, effect: FetchMedia, channel: Channel, *, last: bool) -> Outcome:
        if not isinstance(channel, TextControl):
            return "failed", "this account fetches nothing"
        try:
            media = await channel.fetch_media(effect.url, MEDIA_BYTES)
        except SendFailed as error:
            return ("failed" if error.retry_after_s is None or last else "ready"), str(error)
        except ChannelError as error:
            return ("failed" if last else "ready"), str(error)
        blob = await asyncio.to_thread(self._blobs.put, media.content)
        size = len(media.content)
        await self._desk.run(attachments.fetched, effect.attachment_id, media.media_type, size, blob)
        return "confirmed", None

    async def _give_up(self, effect: MessageEffect, why: str) -> Outcome:
        if isinstance(effect, SendMessage):
            await self._desk.run(deliveries.failed, effect.message_id, effect.attempt, "failed", why)
        return "failed", why


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
    return Written(row, number, box.signature if box is not None else "", tuple(files))
