"""The customers' sockets at /chat: a visitor token instead of a cookie, allowed origins per widget, small messages."""

import asyncio
from collections import OrderedDict, defaultdict
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
import structlog
from aiohttp import web
from socketio.exceptions import ConnectionRefusedError as Refused

from channels.contract import AccountId, ChannelError, Unrecognised
from channels.web_chat import parse
from channels.web_chat.settings import MESSAGES_AT_ONCE, MESSAGES_PER_SECOND
from service_desk.actions import chats, nodes, pages
from service_desk.clock import SECOND, Micros
from service_desk.desk import Desk
from service_desk.domain.config import DeskConfig
from service_desk.domain.interaction import WAITING
from service_desk.domain.views import ChatView
from service_desk.errors import DeskError, TooMany
from service_desk.ids import fingerprint, new_token
from service_desk.intake import Intake
from service_desk.ports import Clock
from service_desk.queries import chat as queries
from service_desk.queries.live import LogEvent
from service_desk.realtime import engine
from service_desk.realtime.server import OwnOrigin
from service_desk.storage import schema
from service_desk.storage.store import Reader
from service_desk.trace import about, contact

MESSAGE_BYTES = 256_000
"""More closes the socket. Well above what a text may have, so that a long text gets an answer that says so."""
SOCKETS = 5_000
BUCKETS = 20_000
"""Visitors whose pace is remembered; the one who connected longest ago is forgotten first."""
PUSH_EVERY: Micros = SECOND
AGAIN_S = 1.0
"""What could not be noted, because the database was away, is tried again so much later."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Bucket:
    """How much a visitor may still say: a burst at once, and a rate for long."""

    clock: Clock
    tokens: float = MESSAGES_AT_ONCE
    at: float = field(default=0.0)

    def take(self) -> bool:
        now = self.clock.monotonic()
        self.tokens = (
            min(MESSAGES_AT_ONCE, self.tokens + (now - self.at) * MESSAGES_PER_SECOND)
            if self.at
            else MESSAGES_AT_ONCE
        )
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


@dataclass(frozen=True, slots=True)
class Visitor:
    """A connected page."""

    id: str
    widget: str
    token: str
    bucket: Bucket


class ChatServer:
    """All visitors who are connected to this process."""

    def __init__(self, desk: Desk, node_id: str, intake: Intake, own_origin: OwnOrigin) -> None:
        self._desk = desk
        self._node_id = node_id
        self._intake = intake
        self._own_origin = own_origin
        self._by_sid: dict[str, Visitor] = {}
        self._sids: dict[str, set[str]] = defaultdict(set)
        self._chats: dict[str, str] = {}
        self._opening: set[str] = set()
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._lines_moved = asyncio.Event()
        self._closing = False
        self.io = engine.make_server(max_message_bytes=MESSAGE_BYTES, cut_off=desk.measures.cut_off)
        desk.measures.sockets.labels("visitor").set_function(lambda: len(self._by_sid))
        self.io.on("connect", self._connect)
        self.io.on("disconnect", self._disconnect)
        for name, handler in (
            ("open", self._open),
            ("say", self._say),
            ("close", self._close),
            ("sync", self._sync),
        ):
            self.io.on(name, self._answering(handler))

    def attach(self, app: web.Application) -> None:
        """Serve at /chat."""
        self.io.attach(app, socketio_path="chat")

    async def close(self) -> None:
        """Hang up; the pages come back later, and none that comes at once is taken."""
        self._closing = True
        for sid in list(self._by_sid):
            await self.io.dismiss(sid)
        await self.io.shutdown()
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- coming and going ---------------------------------------------------------------------------------------

    async def _connect(self, sid: str, environ: dict[str, Any], auth: Any) -> None:
        request: web.Request = environ["aiohttp.request"]
        if not isinstance(auth, dict) or not isinstance(auth.get("widget"), str):
            raise Refused("widget")
        config = await self._desk.read(_config)
        if not self._may_embed(config, auth["widget"], request.headers.get("Origin", "")):
            raise Refused("origin")
        if self._closing or len(self._by_sid) >= SOCKETS:
            raise Refused("busy")
        token, given = new_token(), auth.get("token")
        known = fingerprint(given) if isinstance(given, str) and given else None
        try:
            row = await self._desk.run(
                chats.meet_visitor, auth["widget"], known, fingerprint(token), actor="customer"
            )
        except DeskError as error:
            raise Refused("busy") from error
        if isinstance(given, str) and row["fingerprint"] == known:
            token = given
        visitor = Visitor(row["id"], auth["widget"], token, self._bucket_of(row["id"]))
        self._by_sid[sid] = visitor
        self._sids[visitor.id].add(sid)
        self._start(self._welcome(sid, visitor))

    def _bucket_of(self, visitor_id: str) -> Bucket:
        """The visitor's own, whatever number of sockets they open, one after the other or at once."""
        bucket = self._buckets.pop(visitor_id, None) or Bucket(self._desk.clock)
        self._buckets[visitor_id] = bucket
        while len(self._buckets) > BUCKETS:
            self._buckets.popitem(last=False)
        return bucket

    def _may_embed(self, config: DeskConfig, widget_id: str, origin: str) -> bool:
        widget = config.widget(widget_id)
        if widget is None or not origin:
            return False
        return origin in widget.allowed_origins or (
            "self" in widget.allowed_origins and self._own_origin(origin)
        )

    async def may_open(self, origin: str) -> bool:
        """Whether a page of this origin may open a visitor's socket: it embeds one of the widgets."""
        config = await self._desk.read(_config)
        return any(self._may_embed(config, widget.id, origin) for widget in config.widgets)

    async def resync(self) -> None:
        """Send every visitor their chat whole: something may have been missed."""
        for sid, visitor in list(self._by_sid.items()):
            try:
                await self.io.emit("chat", await self._view(visitor), to=sid)
            except DeskError as error:  # the page asks by itself when it connects again
                log.warning("a visitor could not be shown the whole", reason=error.detail)
                await self.io.dismiss(sid)

    async def _welcome(self, sid: str, visitor: Visitor) -> None:
        """The page is entered first: what is opened or said by it comes after it."""
        try:
            await self._enter(sid, visitor)
            if sid not in self._by_sid:  # gone before it was known: undo what came too late
                await self._desk.run(pages.closed, sid, actor="customer")
                return
            await self.io.emit("chat", await self._view(visitor), to=sid)
        except DeskError as error:
            log.warning("visitor could not be welcomed", reason=error.detail)
            await self.io.dismiss(sid)

    async def _disconnect(self, sid: str, _reason: str | None = None) -> None:
        visitor = self._by_sid.pop(sid, None)
        if visitor is None:
            return
        self._sids[visitor.id].discard(sid)
        if not self._sids[visitor.id]:
            del self._sids[visitor.id]
        self._start(self._left(sid, visitor))

    async def _enter(self, sid: str, visitor: Visitor) -> None:
        chat = await self._desk.run(nodes.open_page, visitor.id, sid, self._node_id, actor="customer")
        if chat is not None and visitor.id in self._sids:
            self._chats[chat] = visitor.id

    async def _left(self, sid: str, visitor: Visitor) -> None:
        try:
            chat = await self._desk.run(pages.closed, sid, actor="customer")
        except DeskError as error:
            log.warning("a visitor's leaving could not be noted yet", reason=error.detail)
            if not self._closing:  # a node that ends takes all its pages along
                asyncio.get_running_loop().call_later(AGAIN_S, lambda: self._start(self._left(sid, visitor)))
            return
        if chat is not None and visitor.id not in self._sids:
            self._chats.pop(chat, None)

    async def register_again(self) -> None:
        """Enter every open page anew, after this node was taken for dead."""
        for sid, visitor in list(self._by_sid.items()):
            if sid in self._by_sid:
                await self._enter(sid, visitor)
            if sid not in self._by_sid:  # closed meanwhile: undo what came too late
                await self._desk.run(pages.closed, sid, actor="customer")

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- what visitors say --------------------------------------------------------------------------------------

    def _answering(self, handler: Any) -> Any:
        """Run a handler; refusals go back as {ok: false, error: {code, field, message}}."""

        async def answer(sid: str, body: Any = None, *_: Any) -> dict[str, Any]:
            visitor = self._by_sid.get(sid)
            if visitor is None:
                return _refusal("unknown_visitor", None, "This chat session is not known: reload the page.")
            try:
                if not visitor.bucket.take():
                    raise TooMany("You write faster than we can read. Wait a moment and send it again.")
                with about(visitor=visitor.id):
                    done = await handler(visitor, body if isinstance(body, dict) else {})
                    if contact() is not None:
                        log.info("visitor", did=handler.__name__.strip("_"))
                return {"ok": True, **done}
            except DeskError as error:
                return _refusal(error.code, error.field, error.detail)
            except Unrecognised as error:
                return _refusal("validation", error.field, str(error))
            except ChannelError as error:
                return _refusal("invalid", None, str(error))

        return answer

    async def _open(self, visitor: Visitor, body: dict[str, Any]) -> dict[str, Any]:
        body = _with_client_id(body)
        chat_id = f"{visitor.id}.{body.get('client_id')}"  # the same `open` sent again is the same chat
        rest = {name: value for name, value in body.items() if name != "text"}
        opened = parse.chat_opened(rest, visitor_id=visitor.id, chat_id=chat_id)
        words = {"client_id": body.get("client_id"), "text": body.get("text")}
        first = parse.message_received(words, visitor_id=visitor.id, chat_id=chat_id)
        self._opening.add(visitor.id)
        try:
            line = await self._intake.open_chat(AccountId(visitor.widget), opened, first)
        finally:
            self._opening.discard(visitor.id)
        self._chats[line.interaction_id] = visitor.id
        if visitor.id not in self._sids:  # the page went while its chat was opened
            await self._desk.run(pages.look_again, visitor.id, actor="customer")
        return {"chat": await self._view(visitor)}

    async def _say(self, visitor: Visitor, body: dict[str, Any]) -> dict[str, Any]:
        chat_id = await self._chat_id(visitor)
        event = parse.message_received(_with_client_id(body), visitor_id=visitor.id, chat_id=chat_id)
        line = await self._intake.say(AccountId(visitor.widget), event)
        entry = await self._desk.glance(queries.chat_entry, line.message_id or "")
        return {"entry": entry}

    async def _close(self, visitor: Visitor, _body: dict[str, Any]) -> dict[str, Any]:
        event = parse.chat_closed({}, chat_id=await self._chat_id(visitor))
        await self._intake.receive(AccountId(visitor.widget), event)
        return {}

    async def _sync(self, visitor: Visitor, _body: dict[str, Any]) -> dict[str, Any]:
        return {"chat": await self._view(visitor)}

    async def _chat_id(self, visitor: Visitor) -> str:
        view = await self._view(visitor)
        if view.chat_id is None:
            raise DeskError("There is no chat yet: open one first.", code="no_chat")
        return view.chat_id

    async def _view(self, visitor: Visitor) -> ChatView:
        return await self._desk.read(queries.chat_view, visitor.id, visitor.token)

    # --- what visitors see --------------------------------------------------------------------------------------

    async def follow(self, events: list[LogEvent]) -> None:
        """Push new entries and states to the visitors concerned; notes have no way in here."""
        changed: set[str] = set()
        for event in events:
            interaction_id = event.data.get("interaction_id")
            if event.kind in ("interaction.queued", "interaction.answered", "interaction.abandoned"):
                self._lines_moved.set()
            if event.kind == "interaction.started" and event.data["channel"] == "web_chat" and self._sids:
                await self._find_page(event.data["interaction_id"])
            if interaction_id not in self._chats:
                continue
            if event.kind == "entry.added" and event.data["kind"] == "message":
                await self._push_entry(self._chats[interaction_id], event.data["entry_id"])
            elif event.kind.startswith(("interaction.", "offer.", "wrap_up.")):
                changed.add(interaction_id)
        for interaction_id in changed:
            await self._push_status(interaction_id)

    async def _find_page(self, interaction_id: str) -> None:
        """A chat that was opened on another node may be of a visitor who has a second page here."""
        visitor_id = await self._desk.glance(queries.visitor_of, interaction_id)
        if visitor_id in self._opening:  # it was opened here, and its page is about to get it as the answer
            return
        if visitor_id in self._sids and interaction_id not in self._chats:
            self._chats[interaction_id] = visitor_id
            for sid in list(self._sids[visitor_id]):
                visitor = self._by_sid.get(sid)
                if visitor is not None:  # it may have closed while another page was told
                    await self.io.tell(sid, "chat", await self._view(visitor))

    async def _push_entry(self, visitor_id: str, entry_id: str) -> None:
        entry = await self._desk.glance(queries.chat_entry, entry_id)
        if entry is not None:
            await self._emit(visitor_id, "entry", entry)

    async def _push_status(self, interaction_id: str) -> None:
        status = await self._desk.glance(queries.chat_status, interaction_id)
        visitor_id = self._chats.get(interaction_id)
        if status is None or visitor_id is None:
            return
        await self._emit(visitor_id, "status", status)
        if status.state in ("ended", "offline"):
            self._chats.pop(interaction_id, None)

    async def push_positions(self) -> None:
        """While lines move, tell those who wait where they stand, at most once a second."""
        clock = self._desk.clock
        while True:
            await self._lines_moved.wait()
            self._lines_moved.clear()
            try:
                for interaction_id in await self._desk.read(_waiting_among, list(self._chats)):
                    await self._push_status(interaction_id)
            except DeskError as error:
                log.warning("positions not sent", reason=error.detail)
            await clock.sleep_until(clock.now() + PUSH_EVERY)

    async def _emit(self, visitor_id: str, event: str, body: Any) -> None:
        for sid in list(self._sids.get(visitor_id, ())):
            await self.io.tell(sid, event, body)


def _with_client_id(body: dict[str, Any]) -> dict[str, Any]:
    """The widget's `key` under the adapter's name for it."""
    return {("client_id" if name == "key" else name): value for name, value in body.items()}


def _refusal(code: str, field_name: str | None, message: str) -> dict[str, Any]:
    return {"ok": False, "error": {"code": code, "field": field_name, "message": message}}


def _config(reader: Reader) -> DeskConfig:
    return reader.config


def _waiting_among(reader: Reader, interactions: list[str]) -> list[str]:
    table = schema.interaction
    rows = reader.all(
        sa.select(table.c.id).where(table.c.id.in_(interactions), table.c.state.in_(tuple(WAITING)))
    )
    return [row["id"] for row in rows]
