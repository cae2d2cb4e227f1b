"""Simulated races: the desk's real transactions on the model database, every interleaving drawn by a seed.

Real: the actions, `Tx` with what it foresees and keeps for later, the group's log, and the router that hears of it.
A model: the database. So there can be a million.
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any
from unittest.mock import patch

import sqlalchemy as sa

from routing.codec import decode
from routing.commands import DecisionRefused, Tick
from routing.invariants import check
from routing.router import Router
from service_desk.actions import admin
from service_desk.clock import HOUR, SECOND, ManualClock
from service_desk.dispatch.restore import rebuild_router
from service_desk.domain.config import DeskConfig
from service_desk.errors import Unavailable
from service_desk.storage import schema
from service_desk.storage.groups import TRIES, write_log
from service_desk.storage.prepared import Prepared
from service_desk.storage.store import Reader, Store
from service_desk.storage.transaction import Group, StaleRow, Tx
from tests.races.campaign import end_of, ending
from tests.races.kinds import ACTS, RACES, Call, End, Race, Scene, Stage, faults, prepare, told
from tests.races.model import Collision, Deadlock, Model, ModelDriver, Session, Tables, key_of
from tests.service_desk.conftest import CONFIG

BY_THE_ROUTER = {"expire", "end wrap-up"}
PLACES: Mapping[str, set[str | None]] = {
    "queued": {"waiting", "offered"},  # it may have offered it anew, of which these rows know nothing
    "connecting": {"served"},
    "wrap_up": {"wrap_up"},
    "ended": {None},
}
"""Where the router has a contact of each state in which a race may end."""


@dataclass(slots=True)
class Start:
    """How a race of a stage begins: rows, and the router that offered the contact."""

    scene: Scene
    tables: Tables
    router: dict[str, Any]
    now: int


@dataclass(slots=True)
class Seen:
    """What a campaign of simulated races has seen."""

    races: int = 0
    statements: int = 0
    deadlocks: int = 0
    repeated: int = 0
    faults: list[str] = field(default_factory=list)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)


def starts(url: str) -> dict[Stage, Start]:
    """The beginnings, made by the real desk on a migrated database; with the same ids each time."""
    numbers = count(1)
    with patch(
        "service_desk.storage.transaction.new_id", lambda prefix, _now: f"{prefix}_{next(numbers):06d}"
    ):
        clock = ManualClock()
        store = Store(url, clock)
        try:
            store.run(admin.seed, CONFIG)
            made: dict[Stage, Start] = {}
            stages: tuple[Stage, ...] = ("ringing", "talking", "wrapping")
            for number, stage in enumerate(stages):
                scene = store.run(prepare, number, stage)
                made[stage] = store.read(_start, scene)
            return made
        finally:
            store.close()


def _start(reader: Reader, scene: Scene) -> Start:
    tables: Tables = {
        table.name: {key_of(table, dict(row)): dict(row) for row in reader.all(sa.select(table))}
        for table in schema.metadata.sorted_tables
        if table is not schema.search_doc
    }
    router = rebuild_router(reader, reader.now)
    router.apply(Tick(), reader.now)
    return Start(scene, tables, router.snapshot(), reader.now)


@contextlib.contextmanager
def on_the_model() -> Iterator[None]:
    """Prepared statements go to the model's driver, as long as this lasts."""

    def rows(prepared: Prepared, driver: ModelDriver, values: Any = None) -> Any:
        return driver.rows(prepared, values)

    def changed(prepared: Prepared, driver: ModelDriver, values: Any = None) -> int:
        return driver.count(prepared, values)

    def later(prepared: Prepared, driver: ModelDriver, values: Any, lost: Exception | None = None) -> None:
        driver.later(prepared, values, lost)

    def many(prepared: Prepared, driver: ModelDriver, each: Any) -> None:
        for values in each:
            driver.later(prepared, values, None)

    def together(driver: ModelDriver, asked: Any) -> list[Any]:
        return [driver.rows(prepared, values) for prepared, values in asked]

    with (
        patch.multiple(Prepared, rows=rows, count=changed, later=later, many=many),
        patch("service_desk.storage.transaction.together", together),
        patch("service_desk.storage.transaction.Driver", lambda driver: driver),
    ):
        yield


class Simulation:
    """Races from one seed: race n of seed s is always the same."""

    def __init__(self, beginnings: dict[Stage, Start], seed: int) -> None:
        self._starts = beginnings
        self._seed = seed
        self._configs: dict[int, DeskConfig] = {}
        self._ids = count(1)
        self.seen = Seen()

    def run(self, numbers: Iterable[int]) -> Seen:
        """Play these races, every kind in turn."""
        with self.on_the_model():
            for number in numbers:
                self._race(RACES[number % len(RACES)], Random(self._seed * 1_000_003 + number), number)
        return self.seen

    @contextlib.contextmanager
    def on_the_model(self) -> Iterator[None]:
        """Transactions go to the model, and ids are counted."""
        with on_the_model(), patch("service_desk.storage.transaction.new_id", self._new_id):
            yield

    def _new_id(self, prefix: str, _now: int) -> str:
        return f"{prefix}_9{next(self._ids):09d}"

    def _race(self, race: Race, chance: Random, number: int) -> None:
        start = self._starts[race.stage]
        self._ids = count(1)
        model = Model(start.tables, chance)
        calls = [ACTS[act](start.scene) for act in race.acts]
        outcomes = model.play([self.act(call, start.now + SECOND) for call in calls])
        one, other = (told(outcome) for outcome in outcomes)
        end = _end(model, start.scene)
        found = faults(race, one, other, end, start.scene)
        found += _router_faults(model, start, race, outcomes, end)
        seen = self.seen
        seen.races += 1
        seen.statements += model.statements
        seen.deadlocks += model.deadlocks
        seen.outcomes[race.name, ending(one, other)] += 1
        seen.faults += [f"seed {self._seed}, race {number}: {fault}" for fault in found]

    def act(self, call: Call, now: int) -> Callable[[Session], Any]:
        """A call as a session does it."""
        action, args, actor = call

        def done_by(session: Session) -> Any:
            return self._transaction(session, now, action, args, actor)

        return done_by

    def _transaction(self, session: Session, now: int, action: Any, args: Any, actor: str) -> Any:
        """One action, one transaction; again after losing a race, as the store does it."""
        for _ in range(TRIES):
            driver: Any = ModelDriver(session)
            group = Group(driver, self._configs)
            tx = Tx(group, now, actor)
            try:
                result = _decided(action, tx, args, driver)
                group.gathered.add(tx.gathered)
                write_log(group)
                driver.settle()
            except (StaleRow, Deadlock, Collision):
                self.seen.repeated += 1
                session.roll_back()
                continue
            except Exception:
                session.roll_back()
                raise
            session.commit()
            return result
        raise Unavailable("It lost every race.")


def crowd(start: Start, seed: int, windows: int, strangers: int) -> tuple[int, int, End]:
    """So many accepts of one offer by its agent, and by others, all at once: (done, refused, the end)."""
    simulation = Simulation({"ringing": start}, seed)
    model = Model(start.tables, Random(seed))
    acts = [ACTS["accept"](start.scene)] * windows + [ACTS["accept forged"](start.scene)] * strangers
    with simulation.on_the_model():
        outcomes = model.play([simulation.act(call, start.now + SECOND) for call in acts])
    heard = Counter(told(outcome).how for outcome in outcomes)
    return heard["done"], heard["refused"], _end(model, start.scene)


def _decided(action: Any, tx: Tx, args: Any, driver: ModelDriver) -> Any:
    """What it raises after it wrote counts only if it lost no race before, as in the store."""
    try:
        return action(tx, *args)
    except (StaleRow, Deadlock, Collision):
        raise
    except Exception:
        if tx.wrote:
            driver.settle()
        raise


def _end(model: Model, scene: Scene) -> End:
    happened = Counter((row["subject"], row["kind"]) for row in model.tables["event"].values())
    offer = model.tables["offer"][(scene.offer.id,)]
    return end_of(model.tables["interaction"][(scene.contact,)], offer["state"], happened)


def _router_faults(model: Model, start: Start, race: Race, outcomes: list[Any], end: End) -> list[str]:
    """The router hears the facts in their order, after what it decided itself; then it says the same as the rows."""
    router = Router.restore(start.router)
    now = start.now + SECOND
    if not BY_THE_ROUTER.isdisjoint(race.acts):
        now = start.now + HOUR  # its decision is why there was a race
        router.apply(Tick(), now)
        check(router)
    known = max(start.tables["command"])[0]
    facts = [decode(model.tables["command"][key]["body"]) for key in sorted(model.tables["command"])[known:]]
    refused = [
        DecisionRefused(*each) for outcome in outcomes if isinstance(outcome, list) for each in outcome
    ]
    for command in (*facts, *refused):
        router.apply(command, now)
        check(router)
    places = {row["item"]["id"]: row["place"] for row in router.snapshot()["items"]}
    place = places.get(start.scene.contact)
    if place not in PLACES.get(end.state, set()):
        return [f"the router has the contact {place}, the rows have it {end.state}"]
    return []
