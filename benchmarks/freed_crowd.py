"""Agents in wrap-up who free their slots one after the other: python -m benchmarks.freed_crowd FILE.

As `benchmarks.crowd`, and two things more on standard input: {"queue": N, "per_second": RATE, "seed": N}, callers whom
nobody can take yet, and {"free": SECONDS, "per_second": RATE, "seed": N, "disposition": ID}, which is measured.
"""

import asyncio
import time
from dataclasses import dataclass, field
from random import Random
from typing import Any

from benchmarks.console_socket import Console
from benchmarks.crowd import REST_S, Crowd, CrowdPlan, cpu_s, main
from benchmarks.percentiles import percentile

DRAIN_S = 5.0


@dataclass(slots=True)
class Freed:
    """What one run saw, in seconds."""

    begun: dict[str, float] = field(default_factory=dict)
    """Login -> when the request that frees them was about to be written; those who wait for their offer."""
    offered: list[float] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)
    slips: list[float] = field(default_factory=list)
    asked: int = 0


class FreedCrowd(Crowd):
    """A crowd in which the paperwork of a contact comes to an end, too."""

    def __init__(self, plan: CrowdPlan) -> None:
        super().__init__(plan)
        self._freed = Freed()

    async def do(self, wish: dict[str, Any]) -> dict[str, Any]:
        if "queue" in wish:
            return await self.line_up(wish["queue"], wish["per_second"], Random(wish["seed"]))
        if "free" in wish:
            return await self.free(
                wish["free"], wish["per_second"], Random(wish["seed"]), wish["disposition"]
            )
        return await super().do(wish)

    async def line_up(self, calls: int, per_second: float, chance: Random) -> dict[str, Any]:
        """So many callers whom nobody takes, since everybody has a contact."""
        served = self.tally.finished
        for _ in range(calls):
            self.start(self.call())
            await asyncio.sleep(chance.expovariate(per_second))
        await asyncio.sleep(REST_S)
        return {"lined_up": calls - (self.tally.finished - served), "faults": self.faults()}

    async def free(
        self, span_s: float, per_second: float, chance: Random, disposition: str
    ) -> dict[str, Any]:
        """Open loop: at exponential distances somebody in wrap-up is done, and as often somebody new calls.

        Whoever is freed takes their next contact and is in wrap-up again when its caller has hung up.
        """
        self._freed = freed = Freed()
        started, cpu = time.perf_counter(), cpu_s()
        callers = asyncio.create_task(self.keep_calling(per_second, chance))
        due = started
        while (due := due + chance.expovariate(per_second)) < started + span_s:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            freed.slips.append(time.perf_counter() - due)
            done = [console for console in self.consoles if console.login in self.paperwork]
            if not done:
                self.fault("nobody in wrap-up")
                continue
            self.start(self._finish(chance.choice(done), disposition))
        callers.cancel()
        elapsed_s, spent_s = time.perf_counter() - started, cpu_s() - cpu
        until = time.perf_counter() + DRAIN_S
        while freed.begun and time.perf_counter() < until:
            await asyncio.sleep(0.05)
        times = {"offer": freed.offered, "answer": freed.answered, "slip": freed.slips}
        return {
            "asked": freed.asked,
            "offered": len(freed.offered),
            "per_second": freed.asked / elapsed_s,
            "cpu_share": spent_s / elapsed_s,
            "faults": self.faults(),
            **{
                f"{name}_p{percent}_ms": percentile(values or [float("inf")], percent) * 1_000
                for name, values in times.items()
                for percent in (50, 99)
            },
        }

    async def _finish(self, console: Console, disposition: str) -> None:
        contact = self.paperwork.pop(console.login)
        self._freed.asked += 1
        self._freed.begun[console.login] = begun = time.perf_counter()
        await self.ask(console, "POST", f"/interactions/{contact}/wrap-up", {"disposition": disposition})
        self._freed.answered.append(time.perf_counter() - begun)

    def offered(self, console: Console, frame: dict[str, Any], at: float) -> None:
        begun = self._freed.begun.pop(console.login, None)
        if begun is not None:
            self._freed.offered.append(at - begun)
        super().offered(console, frame, at)


if __name__ == "__main__":
    main(FreedCrowd)
