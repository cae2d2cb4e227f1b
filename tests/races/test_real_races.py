"""Two processes act on one contact in the same moment: one wins, the other is told why within a second (R6)."""

import sys
import time

import pytest

from tests.races.campaign import Report, node_processes, run_races
from tests.races.kinds import RACES, TOLD_WITHIN_S
from tests.service_desk.storage.two_nodes import faults as audited
from tests.service_desk.storage.two_nodes import nodes

pytestmark = pytest.mark.postgres
SEED = 20_240


BESIDE_OTHER_TESTS_S = 10.0


async def campaign(url: str, count: int, within_s: float) -> Report:
    async with nodes(url, 1) as (desk,), node_processes(url) as both:
        began = time.monotonic()
        report = await run_races(desk, both, count, SEED, within_s=within_s)
        took = f"{time.monotonic() - began:.1f} s"
        sys.stdout.write("\n".join(["", took, *report.lines(), ""]))  # pytest -rP shows it
        report.faults += [str(finding) for finding in await audited(desk)]
        return report


async def test_two_hundred_races_have_one_winner_each(postgres_url: str) -> None:
    report = await campaign(postgres_url, 200, BESIDE_OTHER_TESTS_S)
    assert report.faults == []
    assert {name for name, _ in report.outcomes} == {race.name for race in RACES}


@pytest.mark.soak
async def test_ten_thousand_races_have_one_winner_each(postgres_url: str) -> None:
    report = await campaign(postgres_url, 10_000, TOLD_WITHIN_S)
    assert report.faults == []
    both_ways = (
        "accept / expire",
        "accept / hang up",
        "accept / move",
        "accept / assign",
        "decline / expire",
    )
    for name in both_ways:
        endings = {ending for race, ending in report.outcomes if race == name}
        assert len(endings) > 1, f"{name}: the same side was faster each time, which is no race: {endings}"
