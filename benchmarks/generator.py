"""Callers, a carrier and 50 agents, in a process of its own: python -m benchmarks.generator FILE.

FILE holds `Plan` as JSON. The first line on standard output is {"carrier": ADDRESS}: a stand-in for the provider's
REST API, which has to be there before the desk. Then a line on standard input, {"connect": BASE}, lets the agents
sign in, connect and say ready ("nodes" beside it: addresses to take in turn); {"run": SECONDS, "seed": N,
"per_second": RATE} is one measurement, answered with its figures. {"callbacks": SECONDS, "living": [[CALL, CONTACT],
...], ...} measures webhooks of calls that are there already; {"drain": SECONDS} waits for the calls of a run to end.

The load is an open loop: calls come at exponential distances (Poisson), whether or not the earlier ones were
answered. A call is a signed webhook as the provider sends it. Its latency counts from the moment before the
request is written to the moment when an agent's socket has the frame with the offer: that holds the whole way
there and back, and our own delay. Whoever gets an offer accepts it; once that is answered, the caller hangs up
and the provider says so, and with no wrap-up time the agent is ready for the next: so somebody always is.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import os
import sys
import time
from collections import defaultdict, deque
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlencode

import aiohttp
import uvloop
from aiohttp import web

from benchmarks.callbacks import CallbackMix, Living
from benchmarks.percentiles import percentile
from benchmarks.screen import Agent

PLACE = {"City": "SAN FRANCISCO", "State": "CA", "Zip": "94105", "Country": "US"}
DRAIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Plan:
    """Who takes part."""

    account: str
    account_sid: str
    auth_token: str
    number: str
    logins: list[str]
    password: str
    callers: list[str]
    per_second: float


@dataclass(slots=True)
class Tally:
    """What one run saw. Times in seconds."""

    offered: list[float] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)
    accepted: list[float] = field(default_factory=list)
    slips: list[float] = field(default_factory=list)
    placed: int = 0
    finished: int = 0
    faults: dict[str, int] = field(default_factory=lambda: defaultdict(int))


class Generator:
    """All of them together."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.tally = Tally()
        self.base = ""
        """The desk's public address: what the provider signs, and where a console comes from."""
        self.nodes: list[str] = []
        """Where requests go in turn, when the desk is several nodes; empty: to `base`."""
        self._calls = 0
        self._hooks = 0
        self._living: list[Living] = []
        self._waiting: dict[str, deque[tuple[str, float]]] = defaultdict(deque)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._http: aiohttp.ClientSession | None = None
        self._agents: list[Agent] = []

    # --- the carrier's REST API -----------------------------------------------------------------------------

    async def listen(self) -> str:
        """Answer the desk's requests about calls; the address."""
        app = web.Application()
        account = f"/2010-04-01/Accounts/{self.plan.account_sid}"
        app.router.add_post(account + "/Calls/{sid}.json", self._update_call)
        app.router.add_get(account + "/Calls/{sid}.json", self._fetch_call)
        app.router.add_get(account + "/Conferences.json", self._list_conferences)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        return f"http://{host}:{port}"

    async def _list_conferences(self, _request: web.Request) -> web.Response:
        page = {"conferences": [], "page": 0, "page_size": 20, "start": 0, "end": 0, "uri": ""}
        return web.json_response(
            {**page, "first_page_uri": "", "next_page_uri": None, "previous_page_uri": None}
        )

    async def _update_call(self, request: web.Request) -> web.Response:
        sid, form = request.match_info["sid"], await request.post()
        status = "completed" if form.get("Status") == "completed" else "in-progress"
        return web.json_response({"sid": sid, "status": status, "account_sid": self.plan.account_sid})

    async def _fetch_call(self, request: web.Request) -> web.Response:
        """What the desk's sweep of quiet calls asks: it lives."""
        sid = request.match_info["sid"]
        return web.json_response({"sid": sid, "status": "in-progress", "account_sid": self.plan.account_sid})

    # --- callers --------------------------------------------------------------------------------------------

    async def run(self, span_s: float, seed: int, per_second: float) -> dict[str, Any]:
        """One measurement."""
        self.tally, chance = Tally(), Random(seed)
        started, cpu = time.perf_counter(), _cpu_s()
        due = started
        while (due := due + chance.expovariate(per_second)) < started + span_s:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            self.tally.slips.append(time.perf_counter() - due)
            self.tally.placed += 1  # here and not in the task, or a run could end before its last call began
            self.start(self._call())
        elapsed_s, spent_s = time.perf_counter() - started, _cpu_s() - cpu
        await self._drain(DRAIN_S)
        return self._figures(elapsed_s, spent_s)

    async def drain(self, most_s: float) -> dict[str, Any]:
        """After a load that was too high: let its calls end, and forget those that did not in that time."""
        await self._drain(most_s)
        self._waiting.clear()
        return {"left": self.tally.placed - self.tally.finished}

    async def _drain(self, most_s: float) -> None:
        """Wait until every call is over, for so long at most."""
        until = time.perf_counter() + most_s
        while self.tally.finished < self.tally.placed and time.perf_counter() < until:
            await asyncio.sleep(0.05)

    def _figures(self, elapsed_s: float, spent_s: float) -> dict[str, Any]:
        tally = self.tally
        times = {
            "offer": tally.offered,
            "webhook": tally.answered,
            "accept": tally.accepted,
            "slip": tally.slips,
        }
        middle = len(tally.offered) // 2
        return {
            "placed": tally.placed,
            "offered": len(tally.offered),
            "finished": tally.finished,
            "per_second": tally.placed / elapsed_s,
            "cpu_share": spent_s / elapsed_s,
            "faults": dict(tally.faults),
            "offer_p50_early_ms": percentile(tally.offered[:middle] or [float("inf")], 50) * 1_000,
            "offer_p50_late_ms": percentile(tally.offered[middle:] or [float("inf")], 50) * 1_000,
            **{
                f"{name}_p{percent}_ms": percentile(values or [float("inf")], percent) * 1_000
                for name, values in times.items()
                for percent in (50, 99)
            },
        }

    async def _call(self) -> None:
        self._calls += 1
        sid = f"CA{os.getpid():08x}{self._calls:024x}"
        caller = self.plan.callers[self._calls % len(self.plan.callers)]
        form = self._form(sid, "ringing") | {"From": caller, "Caller": caller, "To": self.plan.number}
        form |= {
            f"{party}{part}": word
            for party in ("From", "To", "Caller", "Called")
            for part, word in PLACE.items()
        }
        begun = time.perf_counter()
        self._waiting[caller].append((sid, begun))
        if await self.post_hook(
            "voice", form | {"Called": self.plan.number, "StirVerstat": "TN-Validation-Passed-A"}
        ):
            self.tally.answered.append(time.perf_counter() - begun)

    async def play_callbacks(
        self, living: list[list[str]], span_s: float, seed: int, per_second: float
    ) -> dict[str, Any]:
        """One measurement of webhooks that start no contact; see benchmarks/callbacks.py."""
        self.tally = Tally()
        self._living = self._living or [Living(call, contact) for call, contact in living]
        mix = CallbackMix(self._living, Random(seed))
        started, cpu = time.perf_counter(), _cpu_s()
        sent, answered = await mix.play(self._post_callback, span_s, per_second)
        elapsed_s = time.perf_counter() - started
        return {
            "sent": sent,
            "per_second": sent / elapsed_s,
            "cpu_share": (_cpu_s() - cpu) / elapsed_s,
            "faults": dict(self.tally.faults),
            **answered,
        }

    async def _post_callback(self, name: str, call_id: str, status: str, more: dict[str, str]) -> bool:
        try:
            return await self.post_hook(name, self._form(call_id, status) | more)
        except aiohttp.ClientError as error:
            self.tally.faults[type(error).__name__] += 1
            return False

    def _form(self, sid: str, status: str) -> dict[str, str]:
        account = {"AccountSid": self.plan.account_sid, "ApiVersion": "2010-04-01", "Direction": "inbound"}
        return account | {"CallSid": sid, "CallStatus": status}

    async def post_hook(self, name: str, form: dict[str, str]) -> bool:
        """A webhook as the provider sends it; whether it was taken."""
        path = f"/hooks/phone/{self.plan.account}/{name}"
        self._hooks += 1
        signed = self.base + path + "".join(f"{key}{form[key]}" for key in sorted(form))
        digest = hmac.new(self.plan.auth_token.encode(), signed.encode(), hashlib.sha1).digest()
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
            "X-Twilio-Signature": base64.b64encode(digest).decode(),
            "I-Twilio-Idempotency-Token": f"{form['CallSid']}-{name}-{self._hooks}",
            "User-Agent": "TwilioProxy/1.1",
        }
        assert self._http is not None, "connected first"
        async with self._http.post(
            self._node(self._hooks) + path, data=urlencode(form).encode(), headers=headers
        ) as answer:
            await answer.read()
            if answer.status >= 300:
                self.tally.faults[f"{name} {answer.status}"] += 1
            return answer.status < 300

    def offer_seen(self, caller: str) -> str | None:
        """An agent has the offer of this caller's call; the call's id."""
        if not self._waiting[caller]:
            self.tally.faults["offer of no call"] += 1
            return None
        sid, begun = self._waiting[caller].popleft()
        self.tally.offered.append(time.perf_counter() - begun)
        return sid

    async def hang_up(self, sid: str) -> None:
        """The caller has had enough, and the provider says so."""
        if await self.post_hook("status", self._form(sid, "completed") | {"SequenceNumber": "1"}):
            self.tally.finished += 1

    # --- agents ---------------------------------------------------------------------------------------------

    async def connect(self, base: str, nodes: list[str]) -> dict[str, Any]:
        """Everybody signs in, one after the other, at the nodes in turn, and is ready."""
        self.base, self.nodes = base, nodes
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        for number, login in enumerate(self.plan.logins):
            agent = Agent(self, login, self._node(number))
            await agent.connect()
            self._agents.append(agent)
        return {"connected": len(self._agents)}

    def _node(self, number: int) -> str:
        return self.nodes[number % len(self.nodes)] if self.nodes else self.base

    async def close(self) -> None:
        for agent in self._agents:
            await agent.close()
        if self._http is not None:
            await self._http.close()

    def start(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.tally.faults[f"{type(error).__name__}: {error}"[:80]] += 1


def _cpu_s() -> float:
    times = os.times()
    return times.user + times.system


async def main(plan: Plan) -> None:
    """Do what the lines on standard input say."""
    generator = Generator(plan)
    _say({"carrier": await generator.listen()})
    loop = asyncio.get_running_loop()
    with contextlib.suppress(asyncio.CancelledError):
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            _say(await _do(generator, json.loads(line)))
    await generator.close()


async def _do(generator: Generator, wish: dict[str, Any]) -> dict[str, Any]:
    if "connect" in wish:
        return await generator.connect(wish["connect"], wish.get("nodes", []))
    if "drain" in wish:
        return await generator.drain(wish["drain"])
    per_second = wish.get("per_second", generator.plan.per_second)
    if "callbacks" in wish:
        return await generator.play_callbacks(wish["living"], wish["callbacks"], wish["seed"], per_second)
    return await generator.run(wish["run"], wish["seed"], per_second)


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(Plan(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))))
