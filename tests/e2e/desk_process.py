"""The desk as a process of its own, as `service-desk serve` runs it, so that it can be killed."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import aiohttp

from tests.e2e.world import until

RUN = "from service_desk.cli import main; main()"


class DeskProcess:
    """Start, kill, wait, stop. `environment` goes over ours, in which nothing of a desk is kept."""

    def __init__(
        self, config: Path, base: str, log: Path, environment: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.environment = dict(environment)
        self._config = config
        self._base = base
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    async def start(
        self, *, kill_at: str | None = None, switches: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """Returns when requests are answered; with `kill_at` the process may die before.

        `switches` are further variables of its environment.
        """
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SERVICE_DESK_")}
        environment.update(switches)
        if kill_at is not None:
            environment["SERVICE_DESK_TEST_KILL_AT"] = kill_at
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: ASYNC220 - returns at once; the test waits for /health
                [sys.executable, "-c", RUN, "serve", "--config", str(self._config)],
                stdout=log,
                stderr=log,
                env=environment | self.environment,
            )
        await until(self._answers_or_dead, f"the desk answers\n{self.log()}", within_s=60)

    async def _answers_or_dead(self) -> bool:
        if self.dead():
            return True
        try:
            async with aiohttp.ClientSession() as http, http.get(f"{self._base}/health") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    def dead(self) -> bool:
        return self._process is None or self._process.poll() is not None

    @property
    def exit_code(self) -> int | None:
        return None if self._process is None else self._process.poll()

    def kill(self) -> None:
        """As by `kill -9`."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)

    async def stop(self) -> None:
        """As by SIGTERM; it must end by itself."""
        if self._process is None or self.dead():
            return
        self._process.terminate()
        code = await asyncio.get_running_loop().run_in_executor(None, self._process.wait, 15)
        assert code == 0, self.log()

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")[-4000:] if self._log.exists() else ""
