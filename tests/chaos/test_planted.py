"""The auditor finds every planted fault, and nothing where none is planted."""

from pathlib import Path

import pytest

from service_desk import planted, switches
from service_desk.audit import Finding
from tests.chaos.auditor import audit_folder
from tests.chaos.scene import Plot, play, stage

ROOT = Path(__file__).resolve().parents[2]
FAST = ("confirmed_unsent", "idempotency_ignored", "segment_left_open")
"""In the normal run, all in one, with a load that forgives no time-outs."""
BRIEF = Plot(seconds=1.5, slips=False, still_s=2)
PLOTS = {
    "answer_before_commit": Plot(seconds=4, kill=True),
    "mail_before_commit": Plot(seconds=4, per_second=40, kill=True),
    "figures_cursor_kept": Plot(kill=True),
    "stale_fence_passes": Plot(seconds=1, zombie=True, kill=True),
}
"""What some faults need to show."""
FOUND_BY = {
    "accept_after_the_end": {"accepts", "offers"},
    "agent_left_busy": {"dispatch"},
    "answer_before_commit": {"taken"},
    "board_not_folded": {"counters", "figures"},
    "board_stale": {"board"},
    "call_left_open": {"calls"},
    "caller_asked_twice": {"effects"},
    "chat_line_lost": {"taken"},
    "command_unread": {"dispatch"},
    "confirmed_unsent": {"messages", "effects"},
    "dedupe_by_time": {"taken"},
    "event_lost": {"history", "interactions", "offers", "agents"},
    "expired_offer_kept": {"offers"},
    "figures_cursor_kept": {"counters"},
    "frame_lost": {"screens"},
    "frames_out_of_order": {"frames"},
    "idempotency_ignored": {"keys"},
    "late_report_applied": {"taken"},
    "line_misnumbered": {"numbering"},
    "mail_before_commit": {"taken"},
    "merged_customer_loses_address": {"customers"},
    "moved_contact_keeps_words": {"customers"},
    "parked_without_timer": {"messages"},
    "put_back_loses_place": {"places"},
    "refused_marked_sent": {"effects"},
    "segment_left_open": {"segments"},
    "sent_again_after_unknown": {"effects"},
    "stale_fence_passes": {"fences"},
    "timer_dropped": {"agents", "timers", "calls"},
    "wrap_up_never_ends": {"agents"},
}
"""The checks of which one at least must speak."""


def test_each_fault_is_listed_with_what_it_does_and_what_finds_it() -> None:
    page = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `") and ".jsonl" not in line]
    rows = [line for line in rows if "run.json" not in line]
    assert rows == [
        f"| `{name}` | {what} | {', '.join(sorted(FOUND_BY[name]))} |"
        for name, what in planted.PLANTS.items()
    ]


async def test_the_auditor_finds_faults_in_seconds(sqlite_url: str, tmp_path: Path) -> None:
    found = await findings(sqlite_url, tmp_path, ",".join(FAST), BRIEF)
    checks = {each.check for each in found}
    assert [name for name in FAST if not checks & FOUND_BY[name]] == [], found


@pytest.mark.soak
@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", sorted(planted.PLANTS))
async def test_the_auditor_finds_every_fault(sqlite_url: str, tmp_path: Path, name: str) -> None:
    found = await findings(sqlite_url, tmp_path, name, PLOTS.get(name, Plot()))
    assert {each.check for each in found} & FOUND_BY[name], found


@pytest.mark.soak
@pytest.mark.timeout(180)
@pytest.mark.parametrize("seed", range(1, 11))
async def test_without_a_fault_the_auditor_is_silent(db_url: str, tmp_path: Path, seed: int) -> None:
    plot = Plot(seed, kill=seed % 2 == 0, zombie=seed % 2 == 0, seconds=4)
    assert await findings(db_url, tmp_path, None, plot) == []


async def findings(db_url: str, folder: Path, name: str | None, plot: Plot) -> list[Finding]:
    """Play with a fault planted, and audit what lies in the folder."""
    given = {} if name is None else {switches.PLANT: name}
    async with stage(db_url, folder, seed=plot.seed, switches=given) as on:
        await play(on, plot)
        return audit_folder(folder)
