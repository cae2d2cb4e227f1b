"""Short-abandon place recovery, and rules that say how long an item waits for its preferred agent."""

from dataclasses import replace

import pytest

from routing import callbacks
from routing import commands as c
from routing import decisions as d
from routing.model import MINUTE, SECOND, Overflow, Policy, Preferred, QueuePolicy, Ring, Skill
from routing.places import CALLED_AGAIN, Wait, arrival
from tests.routing.floors import Floor
from tests.routing.worlds import START, item, queued, ready

WINDOW = 2 * MINUTE
AGAIN = replace(item("again", queued_at=START - 10 * MINUTE), kept=CALLED_AGAIN, joined_at=START)
GONE = Wait(START - 10 * MINUTE, START - WINDOW, answered=False)


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (GONE, (GONE.queued_at, CALLED_AGAIN)),
        (GONE._replace(left_at=START - WINDOW - 1), (START, "")),
        (GONE._replace(answered=True), (START, "")),
        (GONE._replace(left_at=None), (START, "")),  # still there: it is another call of theirs
        (GONE._replace(queued_at=START + 1, left_at=START), (START, "")),  # the clock stepped back
        (None, (START, "")),
    ],
    ids=["in time", "too late", "answered", "still waits", "from the future", "new"],
)
def test_who_comes_again_in_time_has_their_arrival_back(
    before: Wait | None, expected: tuple[int, str]
) -> None:
    assert arrival(WINDOW, START, before) == expected


def test_without_the_rule_nothing_comes_back() -> None:
    assert arrival(0, START, GONE._replace(left_at=START)) == (START, "")


def test_the_decision_says_why_the_place_is_older_than_the_call() -> None:
    floor = Floor(queued("first", queued_at=START - MINUTE), queued("other", queued_at=START - 30 * SECOND))
    floor.do(c.WorkEnded("first"))
    again = replace(item("again", queued_at=START - MINUTE), kept=CALLED_AGAIN)
    floor.do(c.WorkQueued(again), after=10 * SECOND)
    assert floor.router.position("again") == 1
    (made,) = floor.do(ready("anna"))
    assert (made.because["kept"], made.because["waited_ms"]) == (CALLED_AGAIN, 70_000)


def test_patience_learns_nothing_from_a_wait_with_a_gap_in_it() -> None:
    floor = Floor()
    before = floor.router.rates("billing")
    floor.do(c.WorkQueued(replace(item("again", queued_at=START - MINUTE), kept=CALLED_AGAIN)))
    floor.do(c.WorkEnded("again"))
    assert floor.router.rates("billing") == before


def test_patience_learns_from_the_new_wait_alone() -> None:
    """As from somebody who came just then, and no place was kept for."""
    plain = Floor(queued("again"))
    kept = Floor(c.WorkQueued(AGAIN))
    for floor in (plain, kept):
        floor.do(c.WorkEnded("again"), after=20 * SECOND)
    assert kept.router.rates("billing") == plain.router.rates("billing")
    asked = callbacks.reached(callbacks.asked(AGAIN))
    floor = Floor(c.WorkQueued(asked))
    before = floor.router.rates("billing")
    floor.do(c.WorkEnded("again"), after=20 * SECOND)
    assert floor.router.rates("billing") == before, "they were not on the line all the time"


def test_a_kept_place_is_first_in_line_but_its_times_run_from_the_new_call_on() -> None:
    """A ring, an overflow step and the time for a preferred agent: all were over by the old arrival."""
    half = 30 * SECOND
    rules = QueuePolicy(
        "billing",
        rings=(Ring(half, drop=("german",)),),
        overflow=(Overflow("wait", "voicemail", after=2 * half),),
    )
    speaks = ready("bert", skills={"german": 1})
    floor = Floor(speaks, c.WorkTaken(item("busy"), "bert"), ready("carl"), policy=Policy(1, (rules,)))
    floor.do(queued("other", queued_at=START - half + 1, requires=(Skill("german"),)))
    assert floor.do(c.WorkQueued(replace(AGAIN, requires=(Skill("german"),)))) == []
    assert floor.router.position("again") == 1
    floor.do(c.WorkEnded("other"))
    assert floor.router.next_deadline() == START + half
    floor.do(c.Tick(), after=half)
    assert floor.rings() == {"again": "carl"}
    floor.decline("again")
    assert [type(each) for each in floor.do(c.Tick(), after=half)] == [d.Overflowed]

    wish = Preferred("anna", half)
    floor = Floor(ready("anna"), c.WorkTaken(item("busy"), "anna"), ready("bert"))
    floor.do(c.WorkQueued(replace(AGAIN, preferred=(wish,))))
    assert floor.rings() == {}
    floor.do(c.Tick(), after=half)
    assert floor.rings() == {"again": "bert"}


def test_the_queue_says_how_long_its_items_wait_for_whom_they_prefer() -> None:
    """0 in the item: without a rule nobody is waited for. The rule counts for what waits already."""
    plain = Policy(1, (QueuePolicy("billing"),))
    rule = Policy(2, (QueuePolicy("billing", waits_for={"reopened": 30 * SECOND}),))
    wish = Preferred("anna", 0, "reopened")
    floor = Floor(ready("anna"), c.WorkTaken(item("other"), "anna"), policy=plain)
    floor.do(queued("call", preferred=(wish,)))
    floor.do(c.PolicyChanged(rule), ready("bert"))
    assert floor.rings() == {}
    assert floor.router.next_deadline() == START + 30 * SECOND
    floor.do(c.Tick(), after=30 * SECOND)
    assert floor.rings() == {"call": "bert"}
    floor.do(c.PolicyChanged(replace(plain, version=3)), queued("mail", medium="mail", preferred=(wish,)))
    assert floor.router.next_deadline() != floor.now + 30 * SECOND
