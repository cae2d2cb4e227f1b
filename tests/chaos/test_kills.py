"""`kill -9` at random and at named points, under load: nothing acknowledged is lost, nothing happens twice."""

import functools
from pathlib import Path

import pytest

from tests.chaos.campaign import Setting, kill_campaign

NOTE = functools.partial(print, flush=True)
EACH_POINT = 20


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("setting", "kills"),
    [
        (Setting("sqlite", 1, seed=4), 7),
        pytest.param(Setting("postgres", 2, seed=4), 3, marks=pytest.mark.postgres),
    ],
    ids=["sqlite", "postgres"],
)
async def test_ten_kills(tmp_path: Path, setting: Setting, kills: int) -> None:
    """How fast the desk is back is for the quiet machine of `make soak`."""
    killing, findings = await kill_campaign(setting, kills, tmp_path, per_second=5.0, say=NOTE, named=0.8)
    assert findings == [], killing.figures()


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
