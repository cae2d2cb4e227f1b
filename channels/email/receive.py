"""Our own SMTP door: takes mail for our mailboxes, says 250 only when it is kept, relays nothing.

It runs on the caller's event loop. The text of a mail is read in blocks, not line by line: a mail of 25 MB
must not hold up the loop, and a line without an end must not fill the memory.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor
from dataclasses import dataclass, field

from aiosmtpd.smtp import SMTP, Envelope, Session

from channels.contract import ChannelError, MailEnvelope, MailReceived, ReadMail, Rejected, TakeMail
from channels.email.addresses import fold
from channels.email.parse import unread
from channels.email.settings import RECIPIENTS, EmailSettings, Listener
from channels.email.threads import without_token

COMMAND_BYTES = 1_024
"""One command line. Lines of the text have no limit of their own: senders write them as long as they like."""
BLOCK_BYTES = 64 * 1024
END_OF_TEXT = b".\r\n"
DRAINED_TIMES = 4
"""How many times the limit is read of a mail that is too large before the connection is closed."""
NULL_SENDER = "<>"
PARSE_S = 20.0

log = logging.getLogger(__name__)
# The server library logs every command, addresses included, at INFO; that is personal data.
logging.getLogger("mail.log").setLevel(logging.WARNING)


class MailServer:
    """Listens for one account. `start`, `port`, `close`."""

    def __init__(self, settings: EmailSettings, take: TakeMail) -> None:
        self._settings = settings
        self._shared = _Shared(settings.listener, frozenset(settings.mailboxes), take)
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """Where it listens; 0 before it does."""
        if self._server is None or not self._server.sockets:
            return 0
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Begin to listen. OSError when the port is taken."""
        loop = asyncio.get_running_loop()
        listener = self._settings.listener
        self._server = await loop.create_server(
            lambda: _Connection(self._shared, loop), host=listener.host, port=listener.port
        )

    async def close(self) -> None:
        """Stop listening, let mails that are being kept be kept, drop the connections. Safe to repeat."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        await self._shared.settle()
        for connection in list(self._shared.living):
            connection.drop()
        await server.wait_closed()


async def read_off_loop(
    read: ReadMail,
    raw: bytes,
    envelope: MailEnvelope,
    executor: Executor,
    *,
    limit_s: float = PARSE_S,
    give_up: Callable[[], None] = lambda: None,
) -> MailReceived:
    """Read a mail in another process or thread; one that takes too long, or ends its reader, is shown as it came in.

    Such a mail would do the same again, so asking its sender to come back would lose it. `give_up` is called after
    it: the executor is still busy, or broken. Give it one mail at a time, so that no other's reading is blamed.
    """
    try:
        async with asyncio.timeout(limit_s):
            return await asyncio.get_running_loop().run_in_executor(executor, read, raw, envelope)
    except TimeoutError:
        why = f"reading the mail took more than {limit_s:g} seconds"
    except BrokenExecutor:
        why = "the program that reads mails ended over this one"
    give_up()
    return unread(raw, envelope, why)


@dataclass(slots=True)
class _Shared:
    """What all connections of a door have in common."""

    limits: Listener
    mailboxes: frozenset[str]
    take: TakeMail
    living: set["_Connection"] = field(default_factory=set)
    peers: Counter[str] = field(default_factory=Counter)
    waiting_bytes: int = 0
    taking: set[asyncio.Task[None]] = field(default_factory=set)

    def ours(self, address: str) -> bool:
        """Whether mail for this (folded) address comes here: a mailbox, or one with a tag behind a plus."""
        return address in self.mailboxes or without_token(address) in self.mailboxes

    async def keep(self, raw: bytes, envelope: MailEnvelope) -> None:
        """Have a mail taken, also when its sender hangs up meanwhile: a commit is not left half-way."""
        task = asyncio.create_task(self._take(raw, envelope))
        self.taking.add(task)
        task.add_done_callback(self.taking.discard)
        task.add_done_callback(_failure)
        await asyncio.shield(task)

    async def settle(self) -> None:
        if self.taking:
            await asyncio.wait(self.taking)

    async def _take(self, raw: bytes, envelope: MailEnvelope) -> None:
        async with asyncio.timeout(self.limits.take_s):
            await self.take(raw, envelope)


class _Handler:
    """Answers the questions of the protocol: whom we take mail for, and what becomes of it."""

    def __init__(self, shared: _Shared) -> None:
        self._shared = shared

    async def handle_RCPT(  # noqa: N802 - the library's names
        self,
        server: "_Connection",
        session: Session,  # noqa: ARG002 - the library's signature
        envelope: Envelope,
        address: str,
        options: list[str],  # noqa: ARG002 - the library's signature
    ) -> str:
        folded = fold(address)
        if folded is None or not self._shared.ours(folded):
            return server.refuse_recipient()
        if len(envelope.rcpt_tos) >= RECIPIENTS:
            return "452 4.5.3 Too many recipients"
        envelope.rcpt_tos.append(folded)
        return "250 2.1.5 OK"

    async def handle_VRFY(  # noqa: N802 - the library's names
        self,
        server: SMTP,  # noqa: ARG002 - the library's signature
        session: Session,  # noqa: ARG002 - the library's signature
        envelope: Envelope,  # noqa: ARG002 - the library's signature
        address: str,  # noqa: ARG002 - the library's signature
    ) -> str:
        return "252 2.5.0 Cannot say; send the mail"

    async def handle_DATA(  # noqa: N802 - the library's names
        self,
        server: SMTP,  # noqa: ARG002 - the library's signature
        session: Session,
        envelope: Envelope,
    ) -> str:
        taken = MailEnvelope(
            sender=_folded_sender(envelope.mail_from),
            recipients=tuple(dict.fromkeys(envelope.rcpt_tos)),
            peer=_peer(session),
            greeting=(session.host_name or "")[:255],
        )
        assert isinstance(envelope.original_content, bytes)
        try:
            await self._shared.keep(envelope.original_content, taken)
        except Rejected:
            return "554 5.7.1 Refused"
        except Exception as error:
            known = isinstance(error, ChannelError | TimeoutError | OSError)
            log.warning(
                "a mail could not be kept: %s", type(error).__name__, exc_info=None if known else error
            )
            return "451 4.3.0 Not kept; try again later"
        return "250 2.0.0 Kept"

    async def handle_exception(self, error: Exception) -> str:
        log.error("an SMTP session failed: %s", type(error).__name__, exc_info=error)
        return "451 4.3.0 Try again later"


class _Connection(SMTP):
    """One client. Differs from the library in what is limited and in how the text of a mail is read."""

    line_length_limit = BLOCK_BYTES
    command_size_limit = COMMAND_BYTES

    def __init__(self, shared: _Shared, loop: asyncio.AbstractEventLoop) -> None:
        limits = shared.limits
        super().__init__(
            _Handler(shared),
            data_size_limit=limits.mail_bytes,
            enable_SMTPUTF8=True,
            hostname=limits.hostname,
            ident="ESMTP",
            timeout=limits.idle_s,
            command_call_limit=limits.commands,
            loop=loop,
        )
        self._shared = shared
        self._refused = 0
        self._held = 0
        self._address_of_peer = ""

    # --- connections ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = transport.get_extra_info("peername")
        self._address_of_peer = str(peer[0]) if isinstance(peer, tuple) else ""
        self._shared.living.add(self)
        self._shared.peers[self._address_of_peer] += 1
        if self._too_many():
            assert isinstance(transport, asyncio.WriteTransport)
            transport.write(b"421 4.7.0 Too many connections; try again later\r\n")
            transport.close()
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._release()
        self._shared.living.discard(self)
        self._shared.peers[self._address_of_peer] -= 1
        if self._shared.peers[self._address_of_peer] <= 0:
            del self._shared.peers[self._address_of_peer]
        super().connection_lost(error)

    def drop(self) -> None:
        """Close at once."""
        if self.transport is not None:
            self.transport.close()

    def refuse_recipient(self) -> str:
        """No such mailbox; after a few of them no more guessing."""
        self._refused += 1
        if self._refused > self._shared.limits.refusals:
            self.loop.call_soon(self.drop)
            return "421 4.7.0 Too many unknown recipients"
        return "550 5.1.1 No such mailbox here"

    def _too_many(self) -> bool:
        limits = self._shared.limits
        return (
            len(self._shared.living) > limits.connections
            or self._shared.peers[self._address_of_peer] > limits.connections_per_peer
        )

    # --- addresses, by our own rules ---

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        """The address of MAIL or RCPT and the parameters behind it."""
        arg = (arg or "").strip()
        if not arg.startswith("<"):
            address, _, rest = arg.partition(" ")
        else:
            end = arg.rfind(">", 0, arg.find("> ") + 1) if "> " in arg else arg.rfind(">")
            if end < 0:
                return None, None
            address, rest = arg[1:end].strip(), arg[end + 1 :].strip()
            if not address:
                return NULL_SENDER, rest
        if address.startswith("@"):  # the hops of an old source route
            address = address.partition(":")[2]
        folded = fold(address)
        return (None, None) if folded is None else (folded, rest)

    # --- the text ---

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802 - the library's name
        """Like the library's, by blocks and within limits."""
        if await self.check_helo_needed():
            return
        assert self.envelope is not None
        if not self.envelope.rcpt_tos:
            await self.push("503 5.5.1 Error: need RCPT command")
            return
        if arg:
            await self.push("501 5.5.4 Syntax: DATA")
            return
        await self._receive()

    async def _receive(self) -> None:
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        try:
            async with asyncio.timeout(self._shared.limits.mail_s):
                content, refusal = await self._read_text()
        except TimeoutError:
            content, refusal = b"", "421 4.4.2 The mail took too long"
        if refusal is None:
            assert self.envelope is not None
            self.envelope.content = self.envelope.original_content = content
            refusal = await self._call_handler_hook("DATA")
        del content
        self._release()
        self._set_post_data_state()  # type: ignore[no-untyped-call]  # the library leaves it unannotated
        await self.push(refusal)
        if refusal.startswith("421"):
            self.drop()

    async def _read_text(self) -> tuple[bytes, str | None]:
        """The text without its end and its doubled dots, or what to say instead of taking it."""
        limit = self._shared.limits.mail_bytes
        data = bytearray(b"\r\n")  # so that the end is found in an empty text, too
        tail, read, refusal = b"\r\n", 0, None
        while True:
            block = await self._block()
            self._reset_timeout()
            read += len(block)
            tail = (tail + block)[-5:]
            ends = tail.endswith(b"\r\n" + END_OF_TEXT)
            if refusal is None and read - 3 * ends > limit:
                refusal = "552 5.3.4 The mail is too large"
            if refusal is None and not self._hold(len(block)):
                refusal = "452 4.3.1 Too busy; try again later"
            if refusal is None:
                data += block
            else:
                data.clear()
                self._release()
            if ends:
                return _undotted(data), refusal
            if read > DRAINED_TIMES * limit:
                return b"", "421 5.3.4 The mail is far too large"

    async def _block(self) -> bytes:
        """What there is up to a dot before a line end, or up to 64 KiB."""
        try:
            return await self._reader.readuntil(END_OF_TEXT)
        except asyncio.LimitOverrunError as error:
            return await self._reader.readexactly(error.consumed)

    def _hold(self, count: int) -> bool:
        """Count bytes against what may wait in memory; False beyond it."""
        if self._shared.waiting_bytes + count > self._shared.limits.waiting_bytes:
            return False
        self._shared.waiting_bytes += count
        self._held += count
        return True

    def _release(self) -> None:
        self._shared.waiting_bytes -= self._held
        self._held = 0


def _undotted(data: bytearray) -> bytes:
    """The text between our own first line end and the end mark, with leading dots undone (RFC 5321, 4.5.2)."""
    return bytes(data).replace(b"\r\n.", b"\r\n")[2:-2]


def _failure(task: asyncio.Task[None]) -> None:
    """Look at what became of it: the sender who would be told may have hung up."""
    if not task.cancelled():
        task.exception()


def _folded_sender(address: str | None) -> str:
    return "" if address in {None, NULL_SENDER} else fold(address or "") or ""


def _peer(session: Session) -> str:
    return str(session.peer[0]) if session.peer else ""
