"""Who comes first for an item (FEATURES §5: "Sticky / preferred agent with timeout", "Direct to named agent, with
capacity override", "Reopened work is routed again")."""

import pytest

from routing import commands as c
from routing.model import MINUTE, SECOND, Preferred
from tests.routing.floors import Floor
from tests.routing.worlds import START, agent, item, queued, ready

LAST = Preferred("anna", 10 * SECOND, "last_agent")
OWNER = Preferred("bert", 30 * SECOND, "owner")
OWNER_BY_ANNA = Preferred("anna", None, "owner")
BUSY = c.WorkTaken(item("other"), "anna")


def test_the_last_agent_then_the_account_owner_then_anybody() -> None:
    floor = Floor(ready("anna"), BUSY, ready("bert"), c.WorkTaken(item("another"), "bert"), ready("carl"))
    floor.do(queued("call", preferred=(LAST, OWNER)))
    assert floor.rings() == {}
    assert floor.router.next_deadline() == START + 10 * SECOND
    floor.do(c.Tick(), after=10 * SECOND)  # from now on Bert alone
    floor.do(c.WorkEnded("other"))
    assert floor.rings() == {}
    (made,) = floor.do(c.WorkEnded("another"))
    assert floor.rings() == {"call": "bert"}
    assert made.because["preferred"] == "owner"


def test_in_the_end_anybody_gets_it() -> None:
    floor = Floor(ready("anna"), BUSY, ready("carl"), queued("call", preferred=(LAST,)))
    assert floor.do(c.Tick(), after=10 * SECOND - 1) == []
    (made,) = floor.do(c.Tick(), after=1)
    assert floor.rings() == {"call": "carl"}
    assert "preferred" not in made.because


def test_the_preferred_agent_comes_before_somebody_idle_longer() -> None:
    floor = Floor(ready("carl", START - MINUTE), ready("anna"), queued("call", preferred=(LAST,)))
    assert floor.rings() == {"call": "anna"}


@pytest.mark.parametrize(
    "command",
    [c.AgentAway("anna", "lunch"), c.AgentGone("anna"), ready("anna", queues=frozenset({"sales"}))],
    ids=["away", "gone", "other queues"],
)
def test_who_is_not_to_be_had_is_skipped_at_once(command: c.Command) -> None:
    floor = Floor(ready("anna"), BUSY, ready("carl"), queued("call", preferred=(LAST,)))
    assert floor.rings() == {}
    floor.do(command)
    assert floor.rings() == {"call": "carl"}


def test_who_has_ended_their_shift_is_skipped_at_once_and_when_it_ends() -> None:
    until = START + 5 * SECOND
    floor = Floor(
        ready("anna", shift_end=until), BUSY, ready("carl"), queued("call", preferred=(OWNER_BY_ANNA,))
    )
    assert floor.rings() == {}
    assert floor.router.next_deadline() == until
    floor.do(c.Tick(), after=5 * SECOND)
    assert floor.rings() == {"call": "carl"}
    floor.accept("call")
    floor.do(c.WorkEnded("call"), queued("late", preferred=(OWNER_BY_ANNA,)))
    assert floor.rings() == {"late": "carl"}
    floor.decline("late")
    floor.do(c.WorkEnded("other"), c.AgentChanged(agent("anna", shift_end=until + MINUTE)))
    assert floor.rings() == {"late": "anna"}, "a longer shift counts at once"


def test_whom_a_row_refused_is_not_waited_for_until_the_next_fact_about_them() -> None:
    floor = Floor(ready("anna"))
    made = floor.do(queued("call", preferred=(OWNER_BY_ANNA,)), ready("carl"))
    floor.do(c.DecisionRefused(made[0], "agent"))
    assert floor.rings() == {"call": "carl"}


def test_a_stranger_is_skipped_and_counts_when_they_come() -> None:
    floor = Floor(ready("carl"), queued("call", preferred=(LAST,)))
    assert floor.rings() == {"call": "carl"}
    floor.decline("call")
    floor.do(ready("anna"))
    assert floor.rings() == {"call": "anna"}


def test_who_declines_is_not_waited_for() -> None:
    floor = Floor(ready("anna"), ready("carl"), queued("call", preferred=(LAST,)))
    floor.decline("call")
    assert floor.rings() == {"call": "carl"}


def test_who_does_not_answer_is_not_waited_for() -> None:
    floor = Floor(ready("anna"), ready("carl"), queued("call", preferred=(Preferred("anna", None),)))
    floor.do(c.Tick(), after=15 * SECOND)
    assert floor.rings() == {"call": "carl"}


def test_others_behind_it_are_not_held_up() -> None:
    floor = Floor(ready("anna"), BUSY, queued("call", preferred=(LAST,)), queued("next"))
    floor.do(ready("carl"))
    assert floor.rings() == {"next": "carl"}


def test_direct_needs_neither_queue_nor_skills_and_override_no_room() -> None:
    floor = Floor(ready("anna", queues=frozenset({"sales"})), BUSY, ready("carl"))
    floor.do(queued("call", preferred=(Preferred("anna", None, "named", direct=True),)))
    assert floor.rings() == {}  # she has a call
    floor.do(queued("urgent", preferred=(Preferred("anna", None, "named", direct=True, override=True),)))
    assert floor.rings() == {"urgent": "anna"}
    floor.accept("urgent")
    floor.do(c.WorkEnded("other"), c.WorkEnded("urgent"))
    assert floor.rings() == {"call": "anna"}


def test_override_still_rings_one_at_a_time() -> None:
    urgent = Preferred("anna", None, "named", override=True)
    floor = Floor(ready("anna"), queued("one", preferred=(urgent,)), queued("two", preferred=(urgent,)))
    assert floor.rings() == {"one": "anna"}
    floor.accept("one")
    assert floor.rings() == {"two": "anna"}


def test_reopened_work_goes_to_its_owner_or_else_to_anybody() -> None:
    """Reopening is being queued again with the owner preferred."""
    floor = Floor(ready("anna"), ready("carl"), queued("mail", medium="mail"))
    floor.accept("mail")
    floor.do(c.WorkEnded("mail"))
    again = c.WorkQueued(item("mail", medium="mail", preferred=(Preferred("anna", MINUTE, "owner"),)), 1)
    floor.do(again)
    assert floor.rings() == {"mail": "anna"}
    floor.do(c.AgentGone("anna"))  # off shift
    assert floor.rings() == {"mail": "carl"}
