"""Order within a queue (FEATURES §5: "Priority with aging (no starvation)", "SLA-deadline (EDF) ordering")."""

from dataclasses import replace

from routing import commands as c
from routing.model import MINUTE, SECOND, Policy, QueuePolicy
from tests.routing.floors import POLICY, Floor
from tests.routing.worlds import START, item, queued, ready

HOUR = 60 * MINUTE


def test_strict_priority_comes_first_whatever_the_age() -> None:
    policy = Policy(1, (QueuePolicy("billing", order="strict"),))
    floor = Floor(queued("old", queued_at=START - 500 * HOUR), queued("urgent", priority=1), policy=policy)
    floor.do(queued("old-urgent", queued_at=START - HOUR, priority=1))
    assert [floor.router.position(name) for name in ("old-urgent", "urgent", "old")] == [1, 2, 3]
    (made,) = floor.do(ready("anna"))
    assert made.because["order"] == "strict"


def test_value_is_a_head_start_up_to_its_cap() -> None:
    policy = Policy(1, (QueuePolicy("billing", value_weight=10 * SECOND, value_cap=MINUTE),))
    floor = Floor(
        queued("plain", queued_at=START - 45 * SECOND),
        queued("some", value=4),
        queued("much", value=1000),
        queued("older", queued_at=START - 61 * SECOND),
        policy=policy,
    )
    names = ("older", "much", "plain", "some")
    assert [floor.router.position(name) for name in names] == [1, 2, 3, 4]
    floor.do(c.WorkEnded("older"))
    (made,) = floor.do(ready("anna"))
    assert made.because["value_ms"] == 60_000
    assert made.because["key"] == START + 20 * SECOND - MINUTE


def test_another_order_counts_for_what_waits_already() -> None:
    floor = Floor(queued("old", queued_at=START - HOUR), queued("urgent", priority=1))
    assert floor.router.position("urgent") == 2
    strict = replace(POLICY, version=8, queues=(QueuePolicy("billing", order="strict"),))
    floor.do(c.PolicyChanged(strict))
    assert floor.router.position("urgent") == 1


def test_numbers_beyond_all_reason_do_no_harm() -> None:
    floor = Floor(c.WorkQueued(item("huge", priority=10**30)), queued("call"))
    assert floor.router.position("huge") == 1


def test_the_oldest_is_known_however_often_the_places_in_the_line_changed() -> None:
    floor = Floor(queued("call", queued_at=START - MINUTE), queued("mail", medium="mail"))
    for priority in range(200):
        floor.do(c.WorkChanged(item("call", queued_at=START - MINUTE, priority=priority)))
        assert floor.router.waiting("billing").oldest == START - MINUTE
