"""Thousands of agents' consoles, callers and a carrier, in a process of its own: python -m benchmarks.crowd FILE.

FILE holds `CrowdPlan` as JSON. The first line on standard output is {"carrier": ADDRESS}. Each line on standard input
is one thing to do, answered by one line: {"connect": BASE, "consoles": N}, {"calls": N, "per_second": RATE, "seed": N},
{"storm": ...}, {"positions": true} and what the other measurements of this folder add to it.

Consoles are `benchmarks.console_socket`; every webhook comes on a connection of its own. Whoever gets an offer accepts
it; the caller hangs up, and the contact stays with the agent in wrap-up, so that consoles have something to show.
"""

import asyncio
import contextlib
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import uvloop

from benchmarks.console_socket import Console
from benchmarks.generator import Generator, Plan
from benchmarks.percentiles import percentile
from benchmarks.screen import DIGITS

LOOK_EVERY_S = 0.02
REST_S = 1.0
CALM_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class CrowdPlan(Plan):
    """`sessions`: token and CSRF token of each login, opened beforehand: passwords are not what is measured."""

    sessions: dict[str, list[str]]
    seed: int


@dataclass(slots=True)
class Hook:
    """A webhook: when it was sent, and how long the answer took; infinite without one."""

    sent_at: float
    took_s: float = float("inf")


class Crowd(Generator):
    """All of them together."""

    def __init__(self, plan: CrowdPlan) -> None:
        super().__init__(plan)
        self._chance = Random(plan.seed)
        self._api: aiohttp.ClientSession | None = None
        self.consoles: list[Console] = [
            Console(login, token, csrf, chance=self._chance, note=self.fault, offered=self.offered)
            for login, (token, csrf) in plan.sessions.items()
        ]
        self._keys = 0
        self.paperwork: dict[str, str] = {}
        """Login -> the contact that they have in wrap-up."""
        self.hooks: list[Hook] = []
        self.frame_delays: list[float] = []
        """Seconds from an offer's being made to its frame's being heard."""

    def fault(self, what: str) -> None:
        """Count what went otherwise than it should."""
        self.tally.faults[what] += 1

    # --- doing ----------------------------------------------------------------------------------------------

    async def do(self, wish: dict[str, Any]) -> dict[str, Any]:
        """One line of standard input."""
        if "connect" in wish:
            return await self.arrive(wish["connect"], wish["per_second"])
        if "calls" in wish:
            return await self.take_calls(wish["calls"], wish["per_second"], Random(wish["seed"]))
        if "storm" in wish:
            return await self.storm(wish["storm"], wish["per_second"], Random(wish["seed"]), wish["limit_s"])
        if "positions" in wish:
            return {console.login: console.position for console in self.consoles}
        raise ValueError(f"nobody knows how to {wish}")

    async def arrive(self, base: str, per_second: float) -> dict[str, Any]:
        """Everybody connects, one after the other."""
        self.base = base
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True))
        self._api = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        begun = time.perf_counter()
        for console in self.consoles:
            console.start(base)
            await asyncio.sleep(1 / per_second)
        self.start(self._watch_silence())
        await self.all_whole(60.0)
        return {"connected": self.whole, "elapsed_s": time.perf_counter() - begun, "faults": self.faults()}

    async def close(self) -> None:
        for console in self.consoles:
            console.leave()
        if self._api is not None:
            await self._api.close()
        await super().close()

    async def take_calls(self, calls: int, per_second: float, chance: Random) -> dict[str, Any]:
        """So many callers, each of whom somebody takes."""
        for _ in range(calls):
            self.start(self.call())
            await asyncio.sleep(chance.expovariate(per_second))
        await asyncio.sleep(REST_S)
        return {"finished": self.tally.finished, "faults": self.faults()}

    async def _watch_silence(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            for console in self.consoles:
                console.check_silence()

    @property
    def whole(self) -> int:
        """How many consoles are connected and have their state."""
        return sum(console.state_at > 0 for console in self.consoles)

    async def all_whole(self, limit_s: float) -> None:
        """Wait until every console has its state, so long at most."""
        until = time.perf_counter() + limit_s
        while self.whole < len(self.consoles) and time.perf_counter() < until:
            await asyncio.sleep(LOOK_EVERY_S)

    def faults(self) -> dict[str, int]:
        """What was counted since the last time."""
        counted = dict(self.tally.faults)
        self.tally.faults.clear()
        return counted

    # --- the storm ------------------------------------------------------------------------------------------

    async def storm(self, kind: str, per_second: float, chance: Random, limit_s: float) -> dict[str, Any]:
        """Everybody is cut off (kind "cut"), or waits for the desk to die ("kill"); until all have their state again.

        Meanwhile webhooks come at exponential distances. Times are in seconds from the moment of the cut.
        """
        self.hooks, self.frame_delays = [], []
        tries, gaps = sum(c.tries for c in self.consoles), sum(c.gaps for c in self.consoles)
        callers = asyncio.create_task(self.keep_calling(per_second, chance))
        await asyncio.sleep(REST_S)
        if kind == "cut":
            cut_at = time.perf_counter()
            for console in self.consoles:
                console.cut()
        else:
            while self.whole == len(self.consoles):
                await asyncio.sleep(0.001)
            cut_at = time.perf_counter()
        cpu = cpu_s()
        await asyncio.sleep(0)
        await self.all_whole(limit_s)
        over_at, spent_s = time.perf_counter(), cpu_s() - cpu
        callers.cancel()
        await asyncio.sleep(REST_S)
        whole = sorted(console.state_at - cut_at for console in self.consoles if console.state_at)
        back_at = min(
            (hook.sent_at + hook.took_s for hook in self.hooks if hook.sent_at > cut_at), default=over_at
        )
        served = [
            h.took_s for h in self.hooks if (cut_at if kind == "cut" else back_at) <= h.sent_at <= over_at
        ]
        await self._calm()
        return {
            "consoles": len(self.consoles),
            "whole": len(whole),
            "whole_p50_s": percentile(whole or [float("inf")], 50),
            "whole_last_s": whole[-1] if len(whole) == len(self.consoles) else limit_s,
            "first_hook_s": back_at - cut_at,
            "hooks": len(served),
            "hook_p50_ms": percentile(served or [float("inf")], 50) * 1_000,
            "hook_p99_ms": percentile(served or [float("inf")], 99) * 1_000,
            "hook_max_ms": max(served or [float("inf")]) * 1_000,
            "offers": len(self.frame_delays),
            "tries": sum(console.tries for console in self.consoles) - tries,
            "cpu_share": spent_s / (over_at - cut_at),
            "gaps": sum(console.gaps for console in self.consoles) - gaps,
            "faults": self.faults(),
        }

    async def _calm(self) -> None:
        """Wait until nothing is on its way to anybody any more: a while without a step of any console."""
        positions: list[int | None] = []
        until = time.perf_counter() + CALM_WITHIN_S
        while positions != (positions := [console.position for console in self.consoles]):
            if time.perf_counter() > until:
                self.fault("it never became calm")
                return
            await asyncio.sleep(REST_S)

    # --- callers and agents ---------------------------------------------------------------------------------

    async def keep_calling(self, per_second: float, chance: Random) -> None:
        """Callers at exponential distances, whether or not the earlier ones were answered; until cancelled."""
        due = time.perf_counter()
        while True:
            due += chance.expovariate(per_second)
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            self.start(self.call())

    async def call(self) -> None:
        """A caller; who gets the offer accepts it."""
        self._calls += 1
        number = self._calls
        sid = f"CA{os.getpid():08x}{number:024x}"
        caller = self.plan.callers[number % len(self.plan.callers)]
        form = self._form(sid, "ringing") | {"From": caller, "Caller": caller, "To": self.plan.number}
        hook = Hook(time.perf_counter())
        self.hooks.append(hook)
        self._waiting[caller].append((sid, hook.sent_at))
        with contextlib.suppress(aiohttp.ClientError):
            if await self.post_hook("voice", form | {"Called": self.plan.number}):
                hook.took_s = time.perf_counter() - hook.sent_at

    def offered(self, console: Console, frame: dict[str, Any], at: float) -> None:
        """A console was told of offers, at this moment."""
        put = frame["put"]
        for offer in put["offers"].values():
            self.frame_delays.append(time.time() - offer["made_at"] / 1e6 - (time.perf_counter() - at))
            caller = DIGITS.sub("", put["interactions"][offer["interaction_id"]]["caller"])
            self.start(self._take(console, offer["id"], offer["interaction_id"], caller))

    async def _take(self, console: Console, offer_id: str, contact: str, caller: str) -> None:
        """Accept; then the caller hangs up, and the agent has the contact in wrap-up."""
        await self.ask(console, "POST", f"/offers/{offer_id}/accept", {})
        sid = self.offer_seen(caller)
        if sid is not None:
            await self.hang_up(sid)
            self.paperwork[console.login] = contact

    async def ask(
        self, console: Console, method: str, path: str, body: dict[str, Any], *, version: int | None = None
    ) -> Any:
        """A request of an agent's console to the API; the answer, if it has a body. RuntimeError when it is refused."""
        self._keys += 1
        headers = {"Cookie": console.cookie, "X-CSRF-Token": console.csrf, "Origin": self.base}
        if method == "POST":
            headers["Idempotency-Key"] = f"{os.getpid()}-{self._keys}"
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        assert self._api is not None, "arrived first"
        url = f"{self.base}/api/v1{path}"
        async with self._api.request(method, url, json=body, headers=headers) as answer:
            text = await answer.text()
            if answer.status >= 300:
                raise RuntimeError(
                    f"{path.rpartition('/')[2]} {answer.status} {json.loads(text).get('code')}"
                )
            return json.loads(text) if text else None


def cpu_s() -> float:
    """What this process has spent."""
    times = os.times()
    return times.user + times.system


async def _obey(crowd: Crowd) -> None:
    """Do what the lines on standard input say."""
    _say({"carrier": await crowd.listen()})
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        _say(await crowd.do(json.loads(line)))
    await crowd.close()


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def main(kind: type[Crowd]) -> None:
    """A crowd of this kind, with the plan in the file that the command line names, until standard input ends."""
    plan = CrowdPlan(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))

    async def run() -> None:
        await _obey(kind(plan))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


if __name__ == "__main__":
    main(Crowd)
