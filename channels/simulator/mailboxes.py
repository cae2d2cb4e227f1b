"""Customers' mail provider: takes whatever is sent to them, keeps the newest, and brings what they write.

Real SMTP both ways. Its part of the control API plays a customer at their mailbox.
"""

import asyncio
import base64
import json
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import quote

from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session
from pydantic import BeforeValidator, Field, StringConstraints, ValidationError

from channels.contract import (
    MailAddress,
    MailAttachment,
    MailReceived,
    OutboundMail,
    OutcomeUnknown,
    SendFailed,
)
from channels.email.addresses import fold
from channels.email.parse import Reading, file_name
from channels.email.send import Built, RelaySender, build, folded
from channels.email.settings import MAIL_BYTES, EmailSettings, Relay
from channels.simulator.bodies import (
    BadRequestError,
    Body,
    count_of,
    event_bytes,
    last_event_id,
    problem,
    stream,
)
from channels.simulator.pace import new_sid, now_us
from channels.simulator.record import Record
from channels.simulator.settings import MailProvider

KEPT_BYTES = 200 * 1024 * 1024
"""Of all mailboxes together; the oldest mails go first."""
BODY_BYTES = 2 * MAIL_BYTES
"""One request: attachments are in it as base64."""
READING = Reading()

Address = Annotated[str, StringConstraints(min_length=3, max_length=320)]
Words = Annotated[str, StringConstraints(max_length=500_000)]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,60}$")]
HeaderValue = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=2_000)]
Condition = Literal["well", "refused", "busy", "silent"]


def _from_base64(value: object) -> bytes:
    if not isinstance(value, str) or not value.isascii():
        raise ValueError("must be base64")
    return base64.b64decode(value, validate=True)


Base64Bytes = Annotated[bytes, BeforeValidator(_from_base64)]


class NewFile(Body):
    """A file that a customer sends along. `content` is base64."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    media_type: Annotated[str, StringConstraints(max_length=100)] = "application/octet-stream"
    content: Base64Bytes
    content_id: str | None = None


class NewMail(Body):
    """A mail of a customer.

    `answers` is the number of a mail in their mailbox: it fills what an answer has. `raw` (base64) goes out as
    it is, in place of everything but the two addresses.
    """

    sender: Address = Field(alias="from")
    name: Annotated[str, StringConstraints(max_length=200)] = ""
    to: Address | None = None
    cc: tuple[Address, ...] = Field(default=(), max_length=50)
    subject: Annotated[str, StringConstraints(max_length=1_000)] = ""
    text: Words = ""
    html: Words | None = None
    attachments: tuple[NewFile, ...] = Field(default=(), max_length=100)
    answers: int | None = Field(default=None, ge=1)
    headers: dict[HeaderName, HeaderValue] = Field(default_factory=dict, max_length=50)
    automatic: bool = False
    raw: Base64Bytes | None = None


class Desk(Body):
    """Where the desk takes mail, and for which addresses."""

    host: Annotated[str, StringConstraints(min_length=1, max_length=253)] = "127.0.0.1"
    port: int = Field(ge=1, le=65_535)
    mailboxes: tuple[Address, ...] = ()


class MailboxCondition(Body):
    """How a mailbox takes mail: well, refused (550), busy (452) or silent (taken, but never said so)."""

    condition: Condition


@dataclass(frozen=True, slots=True)
class KeptMail:
    """A mail in a customer's mailbox. Numbers ascend over all mailboxes; `at` is when it came, in µs."""

    number: int
    mailbox: str
    at: int
    raw: bytes
    mail: MailReceived


class NoDeskError(LookupError):
    """Nobody has said where the desk takes mail."""


class Mailboxes:
    """All customers' mailboxes. Every address is one; an unknown one comes to be with its first mail."""

    def __init__(self, provider: MailProvider, record: Record) -> None:
        self._provider = provider
        self._record = record
        self._kept: deque[KeptMail] = deque()
        self._bytes = 0
        self._last = 0
        self._conditions: dict[str, Condition] = {}
        self._more = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self._connections: set[SMTP] = set()
        self.desk: Desk | None = None
        if provider.desk_port:
            self.desk = Desk(
                host=provider.desk_host, port=provider.desk_port, mailboxes=provider.desk_mailboxes
            )

    @property
    def port(self) -> int:
        """Where mail for customers is taken."""
        return 0 if self._server is None else int(self._server.sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Listen. OSError when the port is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _ProviderSmtp(self, loop), self._provider.host, self._provider.port
        )

    async def close(self) -> None:
        """Stop listening and drop connections. Safe to repeat."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for connection in list(self._connections):
            if connection.transport is not None:
                connection.transport.close()
        await server.wait_closed()

    def join(self, connection: SMTP) -> None:
        self._connections.add(connection)

    def leave(self, connection: SMTP) -> None:
        self._connections.discard(connection)

    def condition(self, mailbox: str) -> Condition:
        """How this mailbox takes mail."""
        return self._conditions.get(mailbox, "well")

    def set_condition(self, mailbox: str, condition: Condition) -> None:
        """Let a mailbox fail from now on, or be well again."""
        self._conditions[mailbox] = condition

    async def keep(self, raw: bytes, recipients: list[str]) -> None:
        """Put a mail into each recipient's mailbox; the oldest of all go when there are too many."""
        mail = await asyncio.to_thread(READING, raw)
        async with self._more:
            for mailbox in recipients:
                self._last += 1
                self._kept.append(KeptMail(self._last, mailbox, now_us(), raw, mail))
                self._bytes += len(raw)
            while len(self._kept) > self._provider.kept or self._bytes > KEPT_BYTES:
                self._bytes -= len(self._kept.popleft().raw)
            self._more.notify_all()
        self._record.add("mail", to=recipients, message_id=mail.message_id, subject=mail.subject)

    def mails(self, mailbox: str, after: int = 0) -> list[KeptMail]:
        """What stands in a mailbox, oldest first."""
        return [kept for kept in self._kept if kept.mailbox == mailbox and kept.number > after]

    def mail(self, mailbox: str, number: int) -> KeptMail | None:
        """One mail, None when it is gone or another's."""
        return next((kept for kept in self.mails(mailbox) if kept.number == number), None)

    def counts(self) -> dict[str, int]:
        """How many mails each mailbox holds."""
        counted: dict[str, int] = {}
        for kept in self._kept:
            counted[kept.mailbox] = counted.get(kept.mailbox, 0) + 1
        return counted

    async def follow(self, mailbox: str, after: int) -> AsyncIterator[KeptMail]:
        """Mails as they come."""
        while True:
            async with self._more:
                while not (new := self.mails(mailbox, after)):
                    await self._more.wait()
            for kept in new:
                after = kept.number
                yield kept

    async def send(self, wish: NewMail) -> str:
        """A customer's mail goes to the desk by SMTP; its Message-ID.

        NoDeskError, or SendFailed and OutcomeUnknown as the desk answers.
        """
        desk = self.desk
        if desk is None:
            raise NoDeskError("nobody has said where the desk takes mail (PUT /control/mail)")
        built = await asyncio.to_thread(self._written, wish, desk)
        relay = Relay(host=desk.host, port=desk.port, tls="none")
        await RelaySender(relay, "customers.example").send(built)
        self._record.add("mail_sent", sender=wish.sender, message_id=built.message_id)
        return built.message_id

    def _written(self, wish: NewMail, desk: Desk) -> Built:
        to = wish.to or next(iter(desk.mailboxes), "")
        if wish.raw is not None:
            message_id = READING(wish.raw).message_id or ""
            return Built(_address(wish.sender).address, (_address(to).address,), wish.raw, message_id)
        mail = self._composed(wish, to)
        settings = EmailSettings(
            mailbox=wish.sender, display_name=wish.name[:100], relay=Relay(host="127.0.0.1", tls="none")
        )
        built = build(mail, settings, None)
        extra = "".join(folded(name, value) for name, value in wish.headers.items()).encode()
        return Built(built.sender, built.recipients, extra + built.message, built.message_id)

    def _composed(self, wish: NewMail, to: str) -> OutboundMail:
        answered = None if wish.answers is None else self.mail(_address(wish.sender).address, wish.answers)
        if wish.answers is not None and answered is None:
            raise SendFailed("there is no such mail to answer")
        subject = wish.subject
        recipients: tuple[MailAddress, ...] = (_address(to),) if to else ()
        references: tuple[str, ...] = ()
        in_reply_to = None
        if answered is not None:
            mail = answered.mail
            subject = subject or (
                mail.subject if mail.subject[:3].lower() == "re:" else f"Re: {mail.subject}"
            )
            if wish.to is None:
                recipients = mail.reply_to or (() if mail.sender is None else (mail.sender,))
            in_reply_to = mail.message_id
            references = (*mail.references, *(() if in_reply_to is None else (in_reply_to,)))
        return OutboundMail(
            key=new_sid("ML"),
            to=recipients,
            subject=subject,
            text=wish.text,
            written_at=now_us(),
            cc=tuple(_address(one) for one in wish.cc),
            html=wish.html,
            attachments=tuple(_attached(one) for one in wish.attachments),
            in_reply_to=in_reply_to,
            references=references,
            automatic=wish.automatic,
        )


class _ProviderHandler:
    """Takes mail for everybody, as their mailbox's condition has it."""

    def __init__(self, mailboxes: Mailboxes) -> None:
        self._mailboxes = mailboxes

    async def handle_RCPT(  # noqa: N802 - the library's names
        self,
        server: SMTP,  # noqa: ARG002 - the library's signature
        session: Session,  # noqa: ARG002 - the library's signature
        envelope: Envelope,
        address: str,
        options: list[str],  # noqa: ARG002 - the library's signature
    ) -> str:
        mailbox = fold(address)
        if mailbox is None or self._mailboxes.condition(mailbox) == "refused":
            return "550 5.1.1 No such mailbox"
        if self._mailboxes.condition(mailbox) == "busy":
            return "452 4.2.2 The mailbox is full"
        envelope.rcpt_tos.append(mailbox)
        return "250 2.1.5 OK"

    async def handle_DATA(  # noqa: N802 - the library's names
        self,
        server: SMTP,
        session: Session,  # noqa: ARG002 - the library's signature
        envelope: Envelope,
    ) -> str:
        assert isinstance(envelope.content, bytes)
        await self._mailboxes.keep(envelope.content, envelope.rcpt_tos)
        if any(self._mailboxes.condition(mailbox) == "silent" for mailbox in envelope.rcpt_tos):
            assert server.transport is not None
            server.transport.close()
        return "250 2.0.0 Kept"


class _ProviderSmtp(SMTP):
    """A connection from whoever sends to customers."""

    line_length_limit = 64 * 1024

    def __init__(self, mailboxes: Mailboxes, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            _ProviderHandler(mailboxes),
            data_size_limit=2 * MAIL_BYTES,
            enable_SMTPUTF8=True,
            hostname="customers.example",
            ident="ESMTP",
            timeout=60,
            loop=loop,
        )
        self._mailboxes = mailboxes

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._mailboxes.join(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._mailboxes.leave(self)
        super().connection_lost(error)


class MailControl:
    """The routes below /control/mail and /control/mailboxes."""

    def __init__(self, mailboxes: Mailboxes) -> None:
        self._mailboxes = mailboxes

    def routes(self) -> list[web.RouteDef]:
        """All of them."""
        box = "/control/mailboxes/{mailbox}"
        return [
            web.get("/control/mail", self._show),
            web.put("/control/mail", self._set_desk),
            web.post("/control/mails", self._send),
            web.get("/control/mailboxes", self._list),
            web.get(box, self._mails),
            web.get(f"{box}/events", self._events),
            web.put(f"{box}/condition", self._set_condition),
            web.get(f"{box}/mails/{{number}}", self._mail),
            web.get(f"{box}/mails/{{number}}/raw", self._raw),
            web.get(f"{box}/mails/{{number}}/attachments/{{place}}", self._attachment),
        ]

    async def _show(self, _request: web.Request) -> web.Response:
        """Where customers' mail is taken, and where the desk's is brought."""
        desk = self._mailboxes.desk
        shown = None if desk is None else desk.model_dump()
        return web.json_response({"port": self._mailboxes.port, "desk": shown})

    async def _set_desk(self, request: web.Request) -> web.Response:
        self._mailboxes.desk = await _big_body(request, Desk)
        return await self._show(request)

    async def _send(self, request: web.Request) -> web.Response:
        wish = await _big_body(request, NewMail)
        try:
            message_id = await self._mailboxes.send(wish)
        except NoDeskError as error:
            raise BadRequestError(problem(409, str(error), "desk")) from error
        except (SendFailed, OutcomeUnknown) as error:
            raise BadRequestError(problem(502, str(error))) from error
        except ValueError as error:
            raise BadRequestError(problem(400, _words_of(error))) from error
        return web.json_response({"message_id": message_id}, status=201)

    async def _list(self, _request: web.Request) -> web.Response:
        counts = self._mailboxes.counts()
        return web.json_response([{"mailbox": name, "mails": counts[name]} for name in sorted(counts)])

    async def _mails(self, request: web.Request) -> web.Response:
        mailbox = _mailbox(request)
        found = self._mailboxes.mails(mailbox, count_of(request, "after", 0))
        return web.json_response(
            {
                "mailbox": mailbox,
                "condition": self._mailboxes.condition(mailbox),
                "mails": [mail_json(kept) for kept in found],
            }
        )

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """Server-Sent Events: a mail as it comes."""
        mailbox, after = _mailbox(request), last_event_id(request)

        async def events() -> AsyncIterator[bytes]:
            async for kept in self._mailboxes.follow(mailbox, after):
                yield event_bytes(kept.number, "mail", mail_json(kept))

        return await stream(request, events())

    async def _set_condition(self, request: web.Request) -> web.Response:
        mailbox, wish = _mailbox(request), await _big_body(request, MailboxCondition)
        self._mailboxes.set_condition(mailbox, wish.condition)
        return web.json_response({"mailbox": mailbox, "condition": wish.condition})

    async def _mail(self, request: web.Request) -> web.Response:
        return web.json_response(mail_json(self._kept(request)))

    async def _raw(self, request: web.Request) -> web.Response:
        return _download(self._kept(request).raw, "mail.eml")

    async def _attachment(self, request: web.Request) -> web.Response:
        attachments = self._kept(request).mail.attachments
        place = _number(request, "place")
        if place >= len(attachments):
            raise BadRequestError(problem(404, "There is no such attachment.", "place"))
        return _download(attachments[place].content, attachments[place].name)

    def _kept(self, request: web.Request) -> KeptMail:
        kept = self._mailboxes.mail(_mailbox(request), _number(request, "number"))
        if kept is None:
            raise BadRequestError(problem(404, "There is no such mail.", "number"))
        return kept


def mail_json(kept: KeptMail) -> dict[str, Any]:
    """A mail as its reader sees it."""
    mail = kept.mail
    return {
        "number": kept.number,
        "mailbox": kept.mailbox,
        "at": kept.at,
        "from": _address_json(mail.sender),
        "to": [_address_json(one) for one in mail.to],
        "cc": [_address_json(one) for one in mail.cc],
        "reply_to": [_address_json(one) for one in mail.reply_to],
        "subject": mail.subject,
        "text": mail.text,
        "quoted": mail.quoted,
        "html": mail.html,
        "message_id": mail.message_id,
        "in_reply_to": mail.in_reply_to,
        "references": list(mail.references),
        "automatic": mail.machine.value != "none",
        "attachments": [
            {"name": one.name, "media_type": one.media_type, "size": one.size, "content_id": one.content_id}
            for one in mail.attachments
        ],
        "bytes": len(kept.raw),
    }


def _address_json(address: MailAddress | None) -> dict[str, str] | None:
    return None if address is None else {"address": address.address, "name": address.name}


def _address(text: str) -> MailAddress:
    address = fold(text)
    if address is None:
        raise SendFailed("this is not a mail address")
    return MailAddress(address)


def _attached(one: NewFile) -> MailAttachment:
    return MailAttachment(
        name=file_name(one.name, "file.bin"),
        media_type=one.media_type,
        content=one.content,
        content_id=one.content_id,
        inline=one.content_id is not None,
    )


def _mailbox(request: web.Request) -> str:
    mailbox = fold(request.match_info["mailbox"])
    if mailbox is None:
        raise BadRequestError(problem(400, "This is not a mail address.", "mailbox"))
    return mailbox


def _number(request: web.Request, name: str) -> int:
    text = request.match_info[name]
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise BadRequestError(problem(404, "There is no such thing.", name))
    return int(text)


def _download(content: bytes, name: str) -> web.Response:
    """Always a file, never a page: what strangers send must not run in this origin."""
    return web.Response(
        body=content,
        content_type="application/octet-stream",
        headers={
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
            "X-Content-Type-Options": "nosniff",
        },
    )


async def _big_body(request: web.Request, model: type[Any]) -> Any:
    """Like `read_body`, for requests that carry files: beyond the server's usual limit, within our own."""
    if request.content_type != "application/json":
        raise BadRequestError(problem(415, "Send JSON.", "content-type"))
    body = bytearray()
    async for block in request.content.iter_any():
        body += block
        if len(body) > BODY_BYTES:
            raise BadRequestError(problem(413, f"At most {BODY_BYTES} bytes.", "body"))
    try:
        return model.model_validate(await asyncio.to_thread(json.loads, bytes(body)))
    except ValidationError as error:
        raise BadRequestError(problem(400, _words_of(error))) from error
    except ValueError as error:
        raise BadRequestError(problem(400, "This is not JSON.", "body")) from error


def _words_of(error: ValueError) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return str(error)
