"""The way of a mail from the SMTP door to its contact: bytes on disk, read off the loop, then one action.

The sending server hears "taken" only after the commit. Small mails are read in a thread; a big one, which may hold
the interpreter for long, in a process of its own, with a deadline.
"""

import asyncio
import hmac
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import Protocol, runtime_checkable

import structlog
from prometheus_client import Counter

from channels.contract import AccountId, MailDoor, MailEnvelope, MailReceived, ReadMail
from channels.email.receive import read_off_loop
from channels.email.threads import ThreadTokens, TokenKey
from service_desk.actions import mails
from service_desk.actions.attachments import StoredFile
from service_desk.desk import Desk
from service_desk.killpoint import killpoint
from service_desk.planted import do_later, planted
from service_desk.ports import Blobs
from service_desk.trace import about

SMALL_BYTES = 64_000
READ_S = 20.0
"""For reading one mail; beyond it the mail is shown as it came in."""

log = structlog.get_logger(__name__)


@runtime_checkable
class SignsThreads(Protocol):
    """A channel whose messages carry proof of their thread."""

    def sign_with(self, tokens: ThreadTokens) -> None: ...


def thread_tokens(key: bytes) -> ThreadTokens:
    """The tokens of this installation: from its signing key, for this purpose alone."""
    return ThreadTokens([TokenKey("k1", hmac.digest(key, b"mail threads", "sha256"))])


class Mailroom:
    """Takes the mail of every mailbox of this process."""

    def __init__(self, desk: Desk, blobs: Blobs) -> None:
        self._desk = desk
        self._blobs = blobs
        self._pool: ProcessPoolExecutor | None = None
        self._reading = asyncio.Lock()
        self._mails = Counter(
            "desk_mails",
            "Mails that came in, by who wrote them.",
            ["machine"],
            registry=desk.measures.registry,
        )

    def serve(self, account: AccountId, door: MailDoor) -> None:
        """Take the mail of a mailbox; before its channel runs."""
        read = door.read

        async def take(raw: bytes, envelope: MailEnvelope) -> None:
            await self.take(account, read, raw, envelope)

        door.take_with(take)

    async def take(self, account: AccountId, read: ReadMail, raw: bytes, envelope: MailEnvelope) -> None:
        """Durable when it returns. Raises what makes the sending server try again."""
        with about(channel="email", account=account):
            await self._take(account, read, raw, envelope)
            log.info("mail taken")

    async def _take(self, account: AccountId, read: ReadMail, raw: bytes, envelope: MailEnvelope) -> None:
        raw_blob = await asyncio.to_thread(self._blobs.put, raw)
        event = await self._read(read, raw, envelope)
        files = await asyncio.to_thread(self._keep_files, event)
        self._mails.labels(event.machine.value).inc()
        slim = replace(event, attachments=())
        kept = self._desk.run(mails.receive_mail, account, slim, files, raw_blob, actor="customer")
        if planted("mail_before_commit"):
            kept = do_later(kept)
        await kept
        killpoint("mailroom.before_answer")

    def _keep_files(self, event: MailReceived) -> list[StoredFile]:
        return [
            StoredFile(
                each.name,
                each.media_type,
                each.size,
                self._blobs.put(each.content),
                each.content_id,
                each.inline,
            )
            for each in event.attachments
        ]

    async def _read(self, read: ReadMail, raw: bytes, envelope: MailEnvelope) -> MailReceived:
        if len(raw) <= SMALL_BYTES:
            return await asyncio.to_thread(read, raw, envelope)
        async with self._reading:
            if self._pool is None:
                self._pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
            return await read_off_loop(
                read, raw, envelope, self._pool, limit_s=READ_S, give_up=self._drop_pool
            )

    def _drop_pool(self) -> None:
        """End its process, whatever it does, so that the next mail gets a fresh one."""
        pool, self._pool = self._pool, None
        if pool is not None:
            for process in list((pool._processes or {}).values()):  # noqa: SLF001 - the only way to stop one that hangs
                process.kill()
            pool.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        self._drop_pool()
