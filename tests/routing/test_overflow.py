"""Where an item goes that is not served (FEATURES §5: "Overflow on wait, size, no staff")."""

from dataclasses import replace

import pytest

from routing import commands as c
from routing import decisions as d
from routing.model import MINUTE, SECOND, Hours, Overflow, Policy, QueuePolicy, Span
from tests.routing.floors import POLICY, Floor
from tests.routing.worlds import START, agent, queued, ready

ELSEWHERE = {"queues": frozenset({"repair"})}
FROM_2214_TO_2220 = Hours("UTC", ((Span(22 * 60 + 14, 22 * 60 + 20),),) * 7)
UNTIL_2220 = Hours("UTC", ((Span(0, 22 * 60 + 20),),) * 7)  # START is 22:13:20


def rules(*steps: Overflow, hours: Hours | None = None) -> Policy:
    return Policy(1, (QueuePolicy("billing", overflow=steps, hours=hours), QueuePolicy("repair")))


def moved(decisions: list[d.Decision]) -> list[tuple[str, str, str]]:
    found = [each for each in decisions if isinstance(each, d.Overflowed)]
    return [(each.item, each.to, str(each.because["when"])) for each in found]


def test_who_waits_too_long_goes_to_another_queue_and_keeps_the_place() -> None:
    policy = rules(Overflow("wait", "queue", "repair", after=30 * SECOND))
    floor = Floor(ready("anna", queues=frozenset({"billing"})), c.AgentAway("anna", "lunch"), policy=policy)
    floor.do(queued("call"), after=0)
    floor.do(queued("fix", queue="repair", queued_at=START + 1))
    assert floor.router.next_deadline() == START + 30 * SECOND
    assert moved(floor.do(c.Tick(), after=30 * SECOND - 1)) == []
    assert moved(floor.do(c.Tick(), after=1)) == [("call", "repair", "wait")]
    assert floor.router.position("call") == 1
    floor.do(ready("bert", queues=frozenset({"repair"})))
    assert floor.rings() == {"call": "bert"}


def test_in_each_queue_a_medium_has_the_head_start_of_that_queue() -> None:
    """What somebody gave the item besides goes along with it."""
    steps = (Overflow("wait", "queue", "repair", after=30 * SECOND),)
    billing = QueuePolicy("billing", overflow=steps, head_starts={"mail": -200})
    repair = QueuePolicy("repair", head_starts={"mail": -50, "chat": 3})
    floor = Floor(policy=Policy(1, (billing, repair)))
    for medium, priority in (("mail", -190), ("chat", 1), ("phone", 2)):
        floor.do(queued(medium, medium=medium, priority=priority))
    floor.do(c.Tick(), after=30 * SECOND)
    found = {name: record.item for name, record in floor.router.floor.items.items()}
    assert {name: (each.queue, each.priority) for name, each in found.items()} == {
        "mail": ("repair", -40),
        "chat": ("repair", 4),
        "phone": ("repair", 2),
    }


def test_a_full_queue_sends_only_newcomers_away() -> None:
    policy = rules(Overflow("size", "voicemail", size=2))
    floor = Floor(c.AgentChanged(agent("anna")), queued("one"), queued("two"), policy=policy)
    assert moved(floor.do(queued("three"))) == [("three", "voicemail", "size")]
    assert floor.router.position("three") is None
    assert floor.router.position("two") == 2


@pytest.mark.parametrize(
    "command", [c.AgentGone("anna"), c.AgentChanged(agent("anna", queues=frozenset({"repair"})))]
)
def test_the_last_one_to_leave_sends_all_that_wait_away(command: c.Command) -> None:
    floor = Floor(ready("anna"), queued("rings"), policy=rules(Overflow("no_staff", "callback")))
    floor.do(queued("waits"))
    found = moved(floor.do(command))
    assert sorted(found) == [("rings", "callback", "no_staff"), ("waits", "callback", "no_staff")]


def test_the_end_of_the_last_shift_sends_all_that_wait_away() -> None:
    until = START + 10 * SECOND
    floor = Floor(
        ready("anna", shift_end=until), queued("rings"), policy=rules(Overflow("no_staff", "callback"))
    )
    floor.accept("rings")
    assert moved(floor.do(queued("waits"))) == []
    view = floor.router.waiting("billing")
    assert view.ready == 1
    assert moved(floor.do(c.Tick(), after=10 * SECOND)) == [("waits", "callback", "no_staff")]
    assert moved(floor.do(queued("late"))) == [("late", "callback", "no_staff")]
    assert floor.router.waiting("billing").ready == 0
    estimate = floor.router.estimate("billing", "phone")
    assert estimate is not None
    assert estimate.basis == "head_age"


def test_nobody_there_from_the_start() -> None:
    floor = Floor(policy=rules(Overflow("no_staff", "message")))
    assert moved(floor.do(queued("call"))) == [("call", "message", "no_staff")]


def test_closing_time_sends_away_who_comes_and_who_waits() -> None:
    floor = Floor(
        c.AgentChanged(agent("anna")),
        queued("call"),
        policy=rules(Overflow("closed", "message"), hours=UNTIL_2220),
    )
    assert floor.router.next_deadline() == START + 400 * SECOND
    assert moved(floor.do(c.Tick(), after=400 * SECOND)) == [("call", "message", "closed")]
    assert moved(floor.do(queued("late"))) == [("late", "message", "closed")]


def test_what_a_person_put_there_leaves_when_the_queue_closes_next() -> None:
    """Being closed or full sends none of it away; where it goes by the rules later, it is like all others."""
    steps = (Overflow("closed", "queue", "repair"), Overflow("size", "queue", "repair", size=0))
    billing = QueuePolicy("billing", hours=FROM_2214_TO_2220, overflow=steps)
    repair = QueuePolicy("repair", overflow=(Overflow("size", "message", size=2),))
    floor = Floor(policy=Policy(1, (billing, repair)))
    assert moved(floor.do(queued("other"))) == [("other", "repair", "closed")]
    by_hand = [
        queued(name, placed=True, queued_at=START - MINUTE, joined_at=START) for name in ("one", "two")
    ]
    assert moved(floor.do(*by_hand)) == []
    assert moved(floor.do(c.Tick(), after=40 * SECOND)) == [], "it opens"
    assert moved(floor.do(queued("three"))) == [("three", "repair", "size")]
    assert moved(floor.do(c.Tick(), after=360 * SECOND - 1)) == []
    assert moved(floor.do(c.Tick(), after=1)) == [
        ("one", "repair", "closed"),
        ("one", "message", "size"),
        ("two", "repair", "closed"),
        ("two", "message", "size"),
    ]


def test_a_closed_queue_without_people_keeps_what_a_person_put_there_until_it_opens() -> None:
    steps = (Overflow("closed", "queue", "repair"), Overflow("no_staff", "queue", "repair"))
    billing = QueuePolicy("billing", hours=FROM_2214_TO_2220, overflow=steps)
    floor = Floor(policy=Policy(1, (billing, QueuePolicy("repair"))))
    assert moved(floor.do(queued("one", placed=True, queued_at=START - MINUTE, joined_at=START))) == []
    assert moved(floor.do(c.Tick(), after=40 * SECOND - 1)) == []
    assert moved(floor.do(c.Tick(), after=1)) == [("one", "repair", "no_staff")], (
        "it opens, and nobody is there"
    )


def test_what_a_channel_cannot_do_is_refused_and_not_tried_again() -> None:
    policy = rules(Overflow("no_staff", "callback"), Overflow("wait", "voicemail", after=60 * SECOND))
    floor = Floor(policy=policy)
    (first,) = (each for each in floor.do(queued("call")) if isinstance(each, d.Overflowed))
    floor.do(c.DecisionRefused(first, "closed"))
    assert floor.router.position("call") == 1
    assert moved(floor.do(c.Tick(), after=60 * SECOND)) == [("call", "voicemail", "wait")]


def test_new_steps_count_for_what_waits_already() -> None:
    floor = Floor(c.AgentChanged(agent("anna")), queued("call"))
    floor.do(c.Tick(), after=50 * SECOND)
    billing = QueuePolicy("billing", overflow=(Overflow("wait", "callback", after=40 * SECOND),))
    assert moved(floor.do(c.PolicyChanged(replace(POLICY, version=8, queues=(billing,))))) == [
        ("call", "callback", "wait")
    ]


def test_a_circle_ends() -> None:
    """Validation refuses it; a router that was given one all the same goes on."""
    steps = [Overflow("no_staff", "queue", name) for name in ("repair", "billing")]
    policy = Policy(
        1, (QueuePolicy("billing", overflow=(steps[0],)), QueuePolicy("repair", overflow=(steps[1],)))
    )
    floor = Floor(policy=policy)
    assert len(moved(floor.do(queued("call")))) == 20
    assert floor.router.position("call") == 1
