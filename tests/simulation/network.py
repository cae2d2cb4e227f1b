"""HTTP without a wire: requests go from a client's call straight to a server's handler, or get lost with its process.

`HttpClient` stands in the place of aiohttp's ClientSession. Everything above it, on both sides, is the real code.
"""

import asyncio
import contextvars
import json
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from functools import partial
from http.cookies import SimpleCookie
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import urlencode, urlsplit

import aiohttp
from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpVersion11, RawRequestMessage
from aiohttp.streams import StreamReader
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from tests.simulation.loop import Mortal

if TYPE_CHECKING:
    from tests.simulation.sockets import SocketServer

T = TypeVar("T")

WORLD = contextvars.Context()
"""Nobody's process."""

LATENCY_S = (0.0005, 0.02)
"""One way of a request or its answer."""
PEER = "127.0.0.1"


@dataclass(eq=False)
class Server:
    """A web application and the process that runs it. `asked`: answers that clients are waiting for."""

    app: web.Application
    process: Mortal | None
    context: contextvars.Context
    sockets: dict[str, "SocketServer"] = field(default_factory=dict)
    asked: dict["asyncio.Future[Any]", None] = field(default_factory=dict)

    async def perform(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of some work in the server's process; ServerDisconnectedError if that dies over it."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self.asked[answer] = None
        task = loop.create_task(work, context=self.context.copy())
        task.add_done_callback(partial(pass_on, answer))
        try:
            return await answer
        except asyncio.CancelledError:
            task.cancel()  # who asked has hung up
            raise
        finally:
            self.asked.pop(answer, None)

    def die(self) -> None:
        """Whoever waits for an answer never gets one; open sockets close."""
        for answer in list(self.asked):
            if not answer.done():
                answer.set_exception(aiohttp.ServerDisconnectedError())
        self.asked.clear()
        for server in self.sockets.values():
            server.die()


def pass_on(answer: "asyncio.Future[Any]", task: "asyncio.Task[Any]") -> None:
    if task.cancelled() or answer.done():
        return
    error = task.exception()
    if error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(task.result())


class Network:
    """Who answers at which address. Several servers of one address are asked by chance, as behind a balancer."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.servers: dict[str, list[Server]] = {}
        self.opened: set[str] = set()
        """Chats of which their visitor was told that they are open."""

    def latency(self) -> float:
        return self.random.uniform(*LATENCY_S)

    def pick(self, url: str) -> Server:
        """A living server of an address. Raises ClientConnectionError."""
        parts = urlsplit(url)
        living = self.servers.get(f"{parts.scheme}://{parts.netloc}")
        if not living:
            raise aiohttp.ClientConnectionError("connection refused")
        return living[0] if len(living) == 1 else self.random.choice(living)

    def client(self, **options: Any) -> "HttpClient":
        """In the place of aiohttp.ClientSession."""
        return HttpClient(self, **options)


class Answer:
    """As much of aiohttp's ClientResponse as anybody here reads."""

    def __init__(self, response: web.StreamResponse) -> None:
        body = response.body if isinstance(response, web.Response) else b""
        self._body: bytes = bytes(body) if isinstance(body, bytes | bytearray) else b""
        self.status = response.status
        self.reason = response.reason
        self.headers = response.headers
        self.content_type = response.content_type
        self.cookies = response.cookies
        self.content = self

    async def read(self, most: int = -1) -> bytes:
        chunk, self._body = (self._body, b"") if most < 0 else (self._body[:most], self._body[most:])
        return chunk

    async def text(self) -> str:
        return self._body.decode()

    async def json(self, **_: Any) -> Any:
        return json.loads(self._body)

    def release(self) -> None:
        """Nothing is held."""


class HttpClient:
    """In the place of aiohttp.ClientSession."""

    def __init__(
        self, network: Network, *, timeout: Any = None, headers: Mapping[str, str] | None = None, **_: Any
    ) -> None:
        self._network = network
        self._timeout = timeout
        self._headers = dict(headers or {})
        self._cookies: dict[str, str] = {}
        self.closed = False

    def request(self, method: str, url: Any, **options: Any) -> "_Asking":
        return _Asking(self._ask(method, str(url), **options))

    def get(self, url: Any, **options: Any) -> "_Asking":
        return self.request("GET", url, **options)

    async def close(self) -> None:
        self.closed = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _ask(
        self,
        method: str,
        url: str,
        *,
        params: Any = None,
        data: Any = None,
        json: Any = None,
        headers: Any = None,
        timeout: Any = None,  # noqa: ASYNC109 - aiohttp's signature
        **_: Any,
    ) -> Answer:
        limit = _seconds(timeout if timeout is not None else self._timeout)
        sent: CIMultiDict[str] = CIMultiDict({**self._headers, **(headers or {})})
        body = _body(data, json, sent)
        if params:
            url = f"{url}?{urlencode(params)}"
        self.add_cookies(sent)
        async with asyncio.timeout(limit):
            await asyncio.sleep(self._network.latency())
            server = self._network.pick(url)
            response = await server.perform(_handled(server.app, method, url, sent, body))
            await asyncio.sleep(self._network.latency())
        answer = Answer(response)
        self._keep(answer.cookies)
        return answer

    def add_cookies(self, headers: "CIMultiDict[str]") -> None:
        """What a browser sends along."""
        if self._cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self._cookies.items())

    def _keep(self, cookies: "SimpleCookie") -> None:
        for name, morsel in cookies.items():
            self._cookies.pop(name, None)
            if morsel.value:
                self._cookies[name] = morsel.value


class _Asking:
    """Can be awaited, and entered, as what aiohttp returns."""

    def __init__(self, asking: Any) -> None:
        self._asking = asking

    def __await__(self) -> Any:
        return self._asking.__await__()

    async def __aenter__(self) -> Answer:
        answer: Answer = await self._asking
        return answer

    async def __aexit__(self, *_: object) -> None:
        """Nothing is held."""


def _seconds(timeout: Any) -> float | None:
    seconds: float | None = timeout.total if isinstance(timeout, aiohttp.ClientTimeout) else timeout
    return seconds


def _body(data: Any, value: Any, headers: "CIMultiDict[str]") -> bytes:
    if value is not None:
        headers.setdefault("Content-Type", "application/json")
        return json.dumps(value).encode()
    if isinstance(data, dict):
        headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        return urlencode(data, doseq=True).encode()
    return data or b""


async def _handled(
    app: web.Application, method: str, url: str, headers: "CIMultiDict[str]", body: bytes
) -> web.StreamResponse:
    """What an application answers, in whose process this runs."""
    try:
        return await app._handle(make_request(app, method, url, headers, body))
    except web.HTTPException as error:
        return error
    except Exception as error:  # noqa: BLE001 - what aiohttp makes of it, and the world's log hears of it
        loop = asyncio.get_running_loop()
        loop.call_exception_handler({"message": "unhandled", "exception": error})
        return web.Response(status=500)


class _Protocol(BaseProtocol):
    """The connection that a request came by, as far as a handler asks for it."""

    peername = (PEER, 40_000)
    sockname = (PEER, 80)
    ssl_context = None
    max_field_size = max_line_size = 8190


def make_request(
    app: web.Application, method: str, url: str, headers: "CIMultiDict[str]", body: bytes = b""
) -> web.Request:
    """A request as aiohttp would have read it from a connection."""
    loop = asyncio.get_running_loop()
    parts = urlsplit(url)
    path = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    sent = CIMultiDict(headers)
    sent["Host"] = parts.netloc
    sent["Content-Length"] = str(len(body))
    raw = tuple((name.encode(), value.encode()) for name, value in sent.items())
    message = RawRequestMessage(
        method.upper(),
        path,
        HttpVersion11,
        CIMultiDictProxy(sent),
        raw,
        False,
        None,
        False,
        False,
        URL(path, encoded=True),
    )
    protocol = _Protocol(loop)
    payload = StreamReader(protocol, 2**16, loop=loop)
    if body:
        payload.feed_data(body)
    payload.feed_eof()
    task: Any = asyncio.current_task()
    return web.Request(
        message,
        payload,
        protocol,  # type: ignore[arg-type]  # see _Protocol
        SimpleNamespace(transport=None),  # type: ignore[arg-type]  # nobody writes by it
        task,
        loop,
        client_max_size=app._client_max_size,
    )
