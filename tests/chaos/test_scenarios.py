"""Every fault once, on what it can happen on: nothing is lost, nothing is twice, and the desk is back in time."""

import functools
from pathlib import Path

import pytest

from tests.chaos.campaign import Setting, campaign, plan
from tests.chaos.faults import FAULTS

SEED = 7
NOTE = functools.partial(print, flush=True)


def settings_of(fault: str) -> Setting:
    needs = FAULTS[fault].needs
    return (
        Setting("postgres", 2, SEED)
        if needs & {"postgres", "two nodes", "clocks"}
        else Setting("sqlite", 1, SEED)
    )


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("fault", sorted(FAULTS))
async def test_a_fault_is_survived(tmp_path: Path, fault: str) -> None:
    setting = settings_of(fault)
    report = await campaign(setting, plan(setting, 0.1, [fault]), tmp_path, per_second=5.0, say=NOTE)
    assert report.findings == []
    assert report.misses() == []


@pytest.mark.soak
@pytest.mark.timeout(600)
async def test_ten_thousand_open_contacts_are_carried_over_a_kill(tmp_path: Path) -> None:
    setting = Setting("sqlite", 1, SEED, backlog=10_000)
    report = await campaign(setting, plan(setting, 0.5, ["kill"]), tmp_path, per_second=5.0, say=NOTE)
    assert report.findings == []
    assert report.misses() == []
