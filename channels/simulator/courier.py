"""Delivers webhooks as the provider does: signed over the configured URL, in its time, with one retry."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import aiohttp
from twilio.request_validator import RequestValidator
from yarl import URL

from channels.simulator.faults import Fault, Faults
from channels.simulator.grammar import DOCUMENT_BYTES
from channels.simulator.pace import new_sid, rest_real
from channels.simulator.record import Record
from channels.simulator.settings import SimulatorSettings

HTTP_FAILED = 11200
CONNECTION_FAILED = 11205
ATTEMPTS = 2
"""One, and one more for a connection that failed. A slow or wrong answer is never asked for again."""
ANSWER_KEPT = 4_000
"""Characters of an answer that go into the record."""


class DeliveryError(Exception):
    """No usable answer, with the provider's error code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Reply:
    """What the webhook's owner answered."""

    status: int
    content_type: str
    body: bytes


class Courier:
    """Sends requests for instructions (awaited) and callbacks (one after the other for each subject)."""

    def __init__(self, settings: SimulatorSettings, record: Record, faults: Faults) -> None:
        self._settings = settings
        self._record = record
        self._faults = faults
        self._signer: Any = RequestValidator(settings.auth_token.get_secret_value())
        self._session: aiohttp.ClientSession | None = None
        self._last: dict[
            str, asyncio.Task[None]
        ] = {}  # of each subject, the callback that the next waits for
        self._running: set[asyncio.Task[None]] = set()  # all of them, and stray repetitions
        self._closing = False

    async def ask(self, url: str, method: str, form: Mapping[str, str]) -> Reply:
        """Ask for instructions. Raises DeliveryError."""
        token = new_sid("")
        struck = self._faults.on_webhook(url)
        if Fault.DUPLICATE in struck:
            self._keep(asyncio.create_task(self._send_quietly(url, method, form, token)))
        return await self._deliver(url, method, form, token, struck)

    def tell(self, subject: str, url: str, form: Mapping[str, str]) -> None:
        """Send a callback after the earlier ones of its subject. Its answer changes nothing."""
        struck = self._faults.on_webhook(url)
        held = Fault.REORDER in struck
        before = None if held else self._last.get(subject)
        task = asyncio.create_task(self._callback(url, form, struck, before))
        self._keep(task)
        if not held:
            self._last[subject] = task
            task.add_done_callback(lambda done: self._forget(subject, done))

    async def close(self) -> None:
        """Stop what is under way and close the connections."""
        self._closing = True
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def _callback(
        self,
        url: str,
        form: Mapping[str, str],
        struck: Mapping[Fault, Any],
        before: "asyncio.Task[None] | None",
    ) -> None:
        if before is not None:
            await asyncio.wait([before])
        if Fault.REORDER in struck:
            await rest_real(struck[Fault.REORDER].seconds)
        token = new_sid("")
        for _ in range(2 if Fault.DUPLICATE in struck else 1):
            await self._send_quietly(url, "POST", form, token, struck)

    async def _send_quietly(
        self,
        url: str,
        method: str,
        form: Mapping[str, str],
        token: str,
        struck: Mapping[Fault, Any] | None = None,
    ) -> None:
        if self._closing:  # what happens while the carrier shuts down has nobody to hear it
            return
        try:
            await self._deliver(url, method, form, token, struck or {})
        except DeliveryError as error:
            self._record.add("error", code=error.code, message=str(error), url=url)

    async def _deliver(
        self, url: str, method: str, form: Mapping[str, str], token: str, struck: Mapping[Fault, Any]
    ) -> Reply:
        if Fault.DELAY in struck:
            await rest_real(struck[Fault.DELAY].seconds)
        if Fault.DROP in struck:
            self._note(url, form, 0, token, fault="drop")
            raise DeliveryError(CONNECTION_FAILED, "dropped on purpose")
        try:
            async with asyncio.timeout(self._settings.answer_timeout_s):
                return await self._attempts(url, method, form, token)
        except TimeoutError as error:
            self._note(url, form, 0, token, error="no answer in time")
            raise DeliveryError(HTTP_FAILED, "no answer in time") from error

    async def _attempts(self, url: str, method: str, form: Mapping[str, str], token: str) -> Reply:
        for attempt in range(1, ATTEMPTS + 1):
            if self._closing:
                break
            try:
                reply = await self._attempt(url, method, form, token)
            except aiohttp.ClientError as error:
                self._note(url, form, attempt, token, error=f"{type(error).__name__}: {error}")
            else:
                self._note(url, form, attempt, token, reply=reply)
                if 200 <= reply.status < 300:
                    return reply
                raise DeliveryError(HTTP_FAILED, f"answered {reply.status}")
        raise DeliveryError(CONNECTION_FAILED, "cannot connect")

    async def _attempt(self, url: str, method: str, form: Mapping[str, str], token: str) -> Reply:
        body, query = (urlencode(form).encode(), "") if method == "POST" else (None, urlencode(form))
        if query:
            url = f"{url}{'&' if '?' in url else '?'}{query}"
        headers = {
            "Accept": "*/*",
            "I-Twilio-Idempotency-Token": token,
            "User-Agent": "TwilioProxy/1.1",
            "X-Twilio-Signature": self._signer.compute_signature(url, dict(form) if body is not None else {}),
        }
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded; charset=utf-8"
        options: dict[str, Any] = {"data": body, "headers": headers, "allow_redirects": False}
        async with self._client().request(method, URL(url, encoded=True), **options) as response:
            answer = await response.content.read(DOCUMENT_BYTES + 1)
            while len(answer) <= DOCUMENT_BYTES and (more := await response.content.read(DOCUMENT_BYTES)):
                answer += more
            return Reply(response.status, response.content_type, answer)

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(
                total=self._settings.answer_timeout_s, sock_connect=self._settings.connect_timeout_s
            )
            connector = aiohttp.TCPConnector(limit=200)
            self._session = aiohttp.ClientSession(timeout=timeout, connector=connector)
        return self._session

    def _note(self, url: str, form: Mapping[str, str], attempt: int, token: str, **facts: Any) -> None:
        reply = facts.pop("reply", None)
        if reply is not None:
            answer = reply.body.decode("utf-8", "replace")[:ANSWER_KEPT]
            facts |= {"status": reply.status, "answer": answer}
        self._record.add("webhook", url=url, form=dict(form), attempt=attempt, token=token, **facts)

    def _keep(self, task: "asyncio.Task[None]") -> None:
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def _forget(self, subject: str, done: "asyncio.Task[None]") -> None:
        if self._last.get(subject) is done:
            del self._last[subject]
