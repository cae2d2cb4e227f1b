"""Every interleaving of two transactions that a seed can draw: one winner, no deadlock that is not broken (R6).

A failure names its seed and race:  python -m tests.races.replay SEED RACE  plays it alone.
"""

import contextlib
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any
from unittest.mock import patch

import pytest
import sqlalchemy as sa

from service_desk.actions import interactions
from service_desk.storage.prepared import Prepared
from service_desk.storage.statements import by_key, update
from service_desk.storage.transaction import Row, Tx
from tests.conftest import prepare_database
from tests.races.kinds import RACES, Stage
from tests.races.simulated import Seen, Simulation, Start, crowd, starts

SEED = 20_241
CLOSE_OFFER = interactions.close_offer


@pytest.fixture(scope="module")
def beginnings(tmp_path_factory: pytest.TempPathFactory) -> dict[Stage, Start]:
    url = f"sqlite:///{tmp_path_factory.mktemp('races')}/desk.sqlite3"
    prepare_database(url)
    return starts(url)


def test_two_thousand_interleavings_have_one_winner_each(beginnings: dict[Stage, Start]) -> None:
    seen = Simulation(beginnings, SEED).run(range(2_000))
    assert seen.faults == []
    for race in RACES:
        endings = {ending for name, ending in seen.outcomes if name == race.name}
        if "accept" not in race.acts[1]:  # two accepts end in one way only
            assert len(endings) == 2, f"{race.name}: {endings}"


def test_a_race_of_a_seed_is_always_the_same(beginnings: dict[Stage, Start]) -> None:
    once, again = (Simulation(beginnings, SEED).run(range(500, 600)) for _ in range(2))
    assert once == again
    assert once != Simulation(beginnings, SEED + 1).run(range(500, 600))


def test_of_two_hundred_clients_one_accept_counts(beginnings: dict[Stage, Start]) -> None:
    """RELIABILITY §5: a hundred windows of the agent and a hundred that forged the offer's address."""
    for seed in range(5):
        accepted, refused, end = crowd(beginnings["ringing"], seed, 100, 100)
        assert (accepted, refused) == (100, 100), f"seed {seed}"
        assert (end.answered, end.offers_closed, end.state) == (1, 1, "connecting"), f"seed {seed}"


# --- the simulation would see it ------------------------------------------------------------------------------


def _close_anyway(tx: Tx, row: Row, state: str, reason: str | None) -> bool:
    """As `close_offer`, but it believes that the offer is pending."""
    pending: Any = {**row, "state": "pending"}
    return CLOSE_OFFER(tx, pending, state, reason)


def _unlocked(table: sa.Table, *, lock: bool = False) -> Prepared:
    return by_key(table)


PLANTED: dict[str, dict[str, Any]] = {
    "an offer is closed without looking": {"service_desk.actions.interactions.close_offer": _close_anyway},
    "neither locks nor versions": {
        "service_desk.storage.transaction.by_key": _unlocked,
        "service_desk.storage.transaction.update_version": update,
    },
}


@pytest.mark.parametrize("what", PLANTED)
def test_a_planted_fault_is_found(what: str, beginnings: dict[Stage, Start]) -> None:
    """What keeps two from winning is taken away."""
    with contextlib.ExitStack() as planted:
        for name, fault in PLANTED[what].items():
            planted.enter_context(patch(name, fault))
        seen = Simulation(beginnings, SEED).run(range(450))
    assert seen.faults != []


# --- the million ----------------------------------------------------------------------------------------------


def _part(task: tuple[dict[Stage, Start], int, int]) -> Seen:
    beginnings, first, count = task
    return Simulation(beginnings, SEED).run(range(first, first + count))


@pytest.mark.soak
def test_a_million_interleavings_have_one_winner_each(beginnings: dict[Stage, Start]) -> None:
    """On all processors, in portions. SERVICE_DESK_TEST_RACES sets another number."""
    total = int(os.environ.get("SERVICE_DESK_TEST_RACES", "1000000"))
    portion = 10_000
    tasks = [(beginnings, first, min(portion, total - first)) for first in range(0, total, portion)]
    began = time.monotonic()
    races = statements = deadlocks = 0
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        for seen in pool.map(_part, tasks):
            assert seen.faults == []
            races += seen.races
            statements += seen.statements
            deadlocks += seen.deadlocks
    took = time.monotonic() - began
    sys.stdout.write(
        f"\n{races:,} races, {statements:,} statements, {deadlocks} deadlocks, {races / took:,.0f} races/s\n"
    )
    assert races == total
