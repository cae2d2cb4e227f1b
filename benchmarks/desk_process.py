"""The desk under test, in a process of its own: python -m benchmarks.desk_process FILE.

It is the server that `service-desk serve` runs, on the same loop, with one thing more: it says how far its loop
lagged. FILE holds the settings as JSON. The first line on standard output is {"listening": ADDRESS}. Each line
on standard input is answered by {"cpu_s", "lag_p50_ms", "lag_p99_ms", "lag_max_ms", "rss_mb"} of the time since
the line before; the end of standard input ends it.
"""

import asyncio
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.percentiles import percentile
from service_desk.app import running, settle_interpreter
from service_desk.logs import set_up_logs
from service_desk.settings import load_settings

LAG_EVERY_S = 0.05


class Meter:
    """CPU and lag since it was read last."""

    def __init__(self) -> None:
        self._lags: list[float] = []
        self._cpu = _cpu_s()

    async def run(self) -> None:
        """Sleep for a moment again and again, and see how much later we wake."""
        while True:
            due = time.perf_counter() + LAG_EVERY_S
            await asyncio.sleep(LAG_EVERY_S)
            self._lags.append(time.perf_counter() - due)

    def read(self) -> dict[str, Any]:
        lags, self._lags = self._lags or [0.0], []
        before, self._cpu = self._cpu, _cpu_s()
        return {
            "cpu_s": self._cpu - before,
            "lag_p50_ms": percentile(lags, 50) * 1_000,
            "lag_p99_ms": percentile(lags, 99) * 1_000,
            "lag_max_ms": max(lags) * 1_000,
            "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024,
        }


def _cpu_s() -> float:
    times = os.times()
    return times.user + times.system


async def serve(values: dict[str, Any]) -> None:
    """Until standard input ends."""
    meter = Meter()
    async with running(load_settings(None, **values)) as parts:
        settle_interpreter()
        _say({"listening": parts.address})
        metering = asyncio.create_task(meter.run())
        loop = asyncio.get_running_loop()
        while await loop.run_in_executor(None, sys.stdin.readline):
            _say(meter.read())
        metering.cancel()


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    set_up_logs("warning")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
