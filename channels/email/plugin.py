"""The mail channel: one mailbox with a door for what comes in and a relay for what goes out."""

import asyncio
import re
from collections.abc import Sequence

from channels.contract import (
    AccountId,
    Health,
    Limits,
    MailEnvelope,
    Outbound,
    OutboundMail,
    Plugin,
    ReadMail,
    SendFailed,
    Sent,
    TakeMail,
    Webhook,
)
from channels.email import send
from channels.email.parse import Reading
from channels.email.receive import MailServer
from channels.email.settings import MAIL_BYTES, TEXT_CHARACTERS, EmailSettings
from channels.email.threads import ThreadTokens

ACCOUNT_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class EmailChannel:
    """One mailbox. `tokens` sign what goes out and prove what comes back; without them nothing is proved."""

    def __init__(
        self, account: AccountId, settings: EmailSettings, tokens: ThreadTokens | None = None
    ) -> None:
        if not ACCOUNT_NAME.fullmatch(account):
            raise ValueError("an account is named by small letters, digits and -")
        self._account = account
        self._settings = settings
        self._limits = Limits(
            text_characters=TEXT_CHARACTERS,
            attachment_bytes=MAIL_BYTES * 3 // 4,
            at_once=settings.relay.connections,
        )
        self._tokens = tokens
        self._relay = send.RelaySender(settings.relay, settings.listener.hostname)
        self._take: TakeMail = _nobody_takes
        self._server: MailServer | None = None
        self._listening = asyncio.Event()
        self._closed = asyncio.Event()

    @property
    def name(self) -> str:
        return "email"

    @property
    def account(self) -> AccountId:
        return self._account

    @property
    def limits(self) -> Limits:
        return self._limits

    @property
    def read(self) -> ReadMail:
        """Reads this mailbox's mail; picklable, so that a pool of processes can do it."""
        return Reading(self._settings.mailboxes, self._tokens)

    @property
    def port(self) -> int:
        """Where mail comes in; 0 while `run` does not listen."""
        return 0 if self._server is None else self._server.port

    def sign_with(self, tokens: ThreadTokens) -> None:
        """Give the installation's signing keys, also new ones while it runs."""
        self._tokens = tokens

    def take_with(self, take: TakeMail) -> None:
        """Say where mails go; before `run`."""
        self._take = take

    def message_id(self, mail: OutboundMail) -> str:
        """The Message-ID under which this mail goes out, also when it is sent again."""
        return send.message_id(mail, self._settings.domain, self._tokens)

    def webhooks(self) -> Sequence[Webhook]:
        """None: mail comes by SMTP."""
        return ()

    async def run(self) -> None:
        """Listen until `close`, or until the task is cancelled. OSError when the port is taken."""
        if self._closed.is_set():
            return
        server = MailServer(self._settings, self._take)
        await server.start()
        self._server = server
        self._listening.set()
        try:
            await self._closed.wait()
        finally:
            self._server = None
            self._listening.clear()
            await server.close()

    async def listening(self) -> int:
        """Wait until `run` listens; its port."""
        await self._listening.wait()
        return self.port

    async def send(self, message: Outbound) -> Sent:
        """Send to all recipients or to none. A big mail is written in a thread."""
        if not isinstance(message, OutboundMail):
            raise SendFailed(f"a mail needs a subject and an address ({message.key})")
        try:
            built = await asyncio.to_thread(send.build, message, self._settings, self._tokens)
        except ValueError as error:
            raise SendFailed(f"the mail cannot be written: {error}") from error
        return await self._relay.send(built)

    async def health(self) -> Health:
        """Whether the relay takes mail from us."""
        try:
            await self._relay.probe()
        except SendFailed as error:
            return Health(ok=False, detail=str(error))
        return Health(ok=True)

    async def close(self) -> None:
        """End `run`. Safe to repeat."""
        self._closed.set()


async def _nobody_takes(raw: bytes, envelope: MailEnvelope) -> None:  # noqa: ARG001 - the shape of TakeMail
    raise RuntimeError("take_with was not called: mail cannot be kept")


def open_email(
    account: AccountId,
    settings: EmailSettings,
    public_base: str,  # noqa: ARG001 - the shape of OpenChannel
) -> EmailChannel:
    """A mailbox from its validated settings. ValueError for an account name that cannot be."""
    return EmailChannel(account, settings)


PLUGIN = Plugin(name="email", settings=EmailSettings, open=open_email)
