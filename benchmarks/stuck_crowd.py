"""Consoles of which some stop reading: python -m benchmarks.stuck_crowd FILE.

As `benchmarks.crowd`, and on standard input {"paperwork": true}, who has a contact in wrap-up, and {"apart": N,
"stuck": WHETHER, "notes_per_second": RATE, "per_second": RATE, "seconds": S, "seed": N}, which is measured: N of those
with a contact do not count, and read nothing if they are stuck.
"""

import asyncio
import time
from random import Random
from typing import Any

from benchmarks.console_socket import Console
from benchmarks.crowd import Crowd, CrowdPlan, cpu_s, main
from benchmarks.percentiles import percentile

WAKING_S = 20.0
"""How long those who were stuck have to find out that they were cut off, to come back and to have their state."""
SETTLE_S = 2.0


class StuckCrowd(Crowd):
    """A crowd in which somebody writes what concerns many, and some of these do not read."""

    def __init__(self, plan: CrowdPlan) -> None:
        super().__init__(plan)
        self._heard: list[tuple[str, int, float]] = []
        self._noted: dict[str, float] = {}
        """A note's words -> when its request was about to be written."""
        self._positions: dict[str, int] = {}
        """A note's words -> the position of the frame that showed it to its author."""
        self._author = ""
        self._holders: list[Console] = []

    async def do(self, wish: dict[str, Any]) -> dict[str, Any]:
        if "paperwork" in wish:
            return self.paperwork
        if "stuck" in wish:
            return await self.hold_up(
                wish["apart"],
                wish["notes_per_second"],
                wish["per_second"],
                wish["seconds"],
                Random(wish["seed"]),
                stuck=wish["stuck"],
            )
        return await super().do(wish)

    async def hold_up(
        self,
        apart: int,
        notes_per_second: float,
        calls_per_second: float,
        span_s: float,
        chance: Random,
        *,
        stuck: bool,
    ) -> dict[str, Any]:
        """Some of those with a contact stop reading, another writes notes, callers phone; then the stuck ones wake up.

        Unless `stuck` they read on, and are left out of what is counted all the same: so that two runs compare.

        The notes are about a customer of whom all of them have a contact: each changes the card on all their screens.
        """
        if not self._holders:  # whoever takes a call meanwhile has one of another customer
            self._holders = [console for console in self.consoles if console.login in self.paperwork]
        author, *others = chance.sample(self._holders, len(self._holders))
        deaf = others[:apart] if stuck else []
        readers = {author.login} | {console.login for console in others[apart:]}
        self._author, self.frame_delays = author.login, []
        self._heard, self._noted, self._positions = [], {}, {}
        for console in self.consoles:
            console.framed = self._framed
        for console in deaf:
            console.stop_reading()
        callers = asyncio.create_task(self.keep_calling(calls_per_second, chance))
        begun, cpu = time.perf_counter(), cpu_s()
        for number in range(int(span_s * notes_per_second)):
            await asyncio.sleep(max(0.0, begun + number / notes_per_second - time.perf_counter()))
            self.start(self._note(author, f"note number {number}, {'stuck' if stuck else 'free'}."))
        await asyncio.sleep(max(0.0, begun + span_s - time.perf_counter()))
        share = (cpu_s() - cpu) / (time.perf_counter() - begun)
        callers.cancel()
        await asyncio.sleep(SETTLE_S)
        delays = self._delays(readers)
        offers = list(self.frame_delays)
        return {
            "readers": len(readers),
            "notes": len(self._noted),
            "frames": len(delays),
            "unheard": len(readers) * len(self._noted) - len(delays),
            "offers": len(offers),
            "cpu_share": share,
            **{
                f"{name}_{word}_ms": value * 1_000
                for name, values in (("frame", delays), ("offer", offers))
                for word, value in _spread(values or [float("inf")])
            },
            **await self._wake(deaf),
            "faults": self.faults(),
        }

    async def _wake(self, deaf: list[Console]) -> dict[str, Any]:
        """Those who were stuck read on: who was cut off finds out, comes back, and is told the state anew."""
        tries = {console.login: console.tries for console in deaf}
        for console in deaf:
            console.go_on_reading()
        until = time.perf_counter() + WAKING_S

        def back(console: Console) -> bool:
            return console.tries > tries[console.login] and console.state_at > 0

        while not all(map(back, deaf)) and time.perf_counter() < until:
            await asyncio.sleep(0.05)
        return {
            "cut_off": sum(console.tries > tries[console.login] for console in deaf),
            "back": sum(map(back, deaf)),
        }

    async def _note(self, author: Console, text: str) -> None:
        self._noted[text] = time.perf_counter()
        contact = self.paperwork[author.login]
        await self.ask(author, "POST", f"/interactions/{contact}/notes", {"text": text})

    def _framed(self, console: Console, position: int, text: str) -> None:
        at = time.perf_counter()
        self._heard.append((console.login, position, at))
        if console.login == self._author:
            for note in self._noted.keys() - self._positions.keys():
                if note in text:
                    self._positions[note] = position

    def _delays(self, readers: set[str]) -> list[float]:
        """From the note's request to the frame of it, for each note and reader who heard it, in seconds.

        Frames that are made together have the same position: that of the author's frame with the note tells the others.
        """
        heard = {(login, position): at for login, position, at in self._heard}
        return [
            heard[login, position] - self._noted[note]
            for note, position in self._positions.items()
            for login in readers
            if (login, position) in heard
        ]


def _spread(values: list[float]) -> list[tuple[str, float]]:
    return [("p50", percentile(values, 50)), ("p99", percentile(values, 99)), ("max", max(values))]


if __name__ == "__main__":
    main(StuckCrowd)
