"""The desk as a process of its own, as `service-desk serve` runs it, so that it can be killed."""

import asyncio
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import aiohttp

from service_desk.switches import KILL_AT
from tests.e2e.world import until

RUN = "from service_desk.cli import main; main()"
ANSWER_S = 3.0


class DeskProcess:
    """Start, kill, pause, wait, stop. `environment` goes over ours, in which nothing of a desk is kept."""

    def __init__(
        self, config: Path, base: str, log: Path, environment: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.base = base
        self.environment = dict(environment)
        self.started_at = 0.0
        self._config = config
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    async def start(
        self, *, kill_at: str | None = None, switches: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """Returns when requests are answered; with `kill_at` the process may die before.

        `switches` are further variables of its environment.
        """
        self.launch(kill_at=kill_at, switches=switches)
        await self.wait_for_answer()

    async def wait_for_answer(self) -> None:
        """Until requests are answered, or the process is dead."""
        await until(self._answers_or_dead, f"the desk answers\n{self.log()}", within_s=60)

    def launch(
        self, *, kill_at: str | None = None, switches: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """Start, and wait for nothing."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("SERVICE_DESK_")}
        environment |= switches
        if kill_at is not None:
            environment[KILL_AT] = kill_at
        self.started_at = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, "-c", RUN, "serve", "--config", str(self._config)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment | self.environment,
        )
        # Through a pipe: a limit on the size of the process's files is then one on its data alone.
        threading.Thread(target=self._keep_log, args=(self._process,), daemon=True).start()

    def _keep_log(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdout is not None, "it was asked for"
        with process.stdout, self._log.open("ab", buffering=0) as log:
            for line in process.stdout:
                log.write(line)

    async def health(self) -> int | None:
        """The status of /health: 200 if it can work, 503 if it lives and cannot; None if nothing answers."""
        timeout = aiohttp.ClientTimeout(total=ANSWER_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as http,
                http.get(f"{self.base}/health") as answer,
            ):
                return answer.status
        except (aiohttp.ClientError, TimeoutError):
            return None

    async def _answers_or_dead(self) -> bool:
        return self.dead() or await self.health() == 200

    def dead(self) -> bool:
        return self._process is None or self._process.poll() is not None

    @property
    def exit_code(self) -> int | None:
        return None if self._process is None else self._process.poll()

    @property
    def pid(self) -> int:
        """Of the process that was started last."""
        assert self._process is not None, "started first"
        return self._process.pid

    def kill(self) -> None:
        """As by `kill -9`."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)

    def pause(self) -> None:
        """It stands still, as a virtual machine that is moved: its connections stay open."""
        os.kill(self.pid, signal.SIGSTOP)

    def stands_still(self) -> bool:
        """Whether it is paused, by `pause` or at a point."""
        return (
            not self.dead()
            and Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
        )

    def resume(self) -> None:
        """It goes on as if nothing had been."""
        os.kill(self.pid, signal.SIGCONT)

    def limit_files(self, most_bytes: int | None) -> None:
        """No file of it may be written beyond this size, as on a disk that is full; None: no limit any more."""
        soft = resource.RLIM_INFINITY if most_bytes is None else most_bytes
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (soft, resource.RLIM_INFINITY))

    async def stop(self) -> None:
        """As by SIGTERM; it must end by itself."""
        if self._process is None or self.dead():
            return
        self._process.terminate()
        code = await asyncio.get_running_loop().run_in_executor(None, self._process.wait, 15)
        assert code == 0, self.log()

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")[-4000:] if self._log.exists() else ""
