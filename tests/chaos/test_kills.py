"""`kill -9` at random and at named points, under load: nothing acknowledged is lost, nothing happens twice."""

import functools
from pathlib import Path

import pytest

from tests.chaos.campaign import Setting, kill_campaign
from tests.chaos.kills import Aim

NOTE = functools.partial(print, flush=True)
EACH_POINT = 20
OFTEN_PASSED = Aim(
    ("store.before_commit", "intake.before_answer", "host.after_record", "fanout.before_send"),
    named=1.0,
    passes=8,
    reach_s=30.0,
)
"""Points that a node passes within seconds of serving, and patience for a machine that is slow and busy."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("setting", "kills"),
    [
        (Setting("sqlite", 1, seed=4), 6),
        pytest.param(Setting("postgres", 2, seed=4), 4, marks=pytest.mark.postgres),
    ],
    ids=["sqlite", "postgres"],
)
async def test_ten_kills(tmp_path: Path, setting: Setting, kills: int) -> None:
    """How fast the desk is back is for the quiet machine of `make soak`."""
    killing, findings = await kill_campaign(
        setting, kills, tmp_path, per_second=5.0, say=NOTE, aim=OFTEN_PASSED
    )
    assert findings == [], killing.figures()
    assert sum(killing.coverage().values()) > 0, killing.figures()


@pytest.mark.soak
@pytest.mark.timeout(3 * 3_600)
@pytest.mark.parametrize(
    ("setting", "kills"),
    [(Setting("sqlite", 1, seed=1), 700), (Setting("postgres", 2, seed=1), 300)],
    ids=["sqlite", "postgres"],
)
async def test_a_thousand_kills(tmp_path: Path, setting: Setting, kills: int) -> None:
    killing, findings = await kill_campaign(setting, kills, tmp_path, per_second=8.0, say=NOTE)
    NOTE(killing.figures())
    assert findings == []
    assert killing.misses() == []
    if setting.kind == "sqlite":
        assert min(killing.coverage().values()) >= EACH_POINT, killing.figures()
