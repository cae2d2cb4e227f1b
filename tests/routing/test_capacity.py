"""What goes beside what (FEATURES §5: "Capacity per channel with weights", "Blending and interrupt matrix")."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing import commands as c
from routing.capacity import Rooms, has_room
from routing.model import Agent, Policy
from tests.routing.floors import POLICY, Floor
from tests.routing.worlds import item, queued, ready

MANY = {"phone": 1, "chat": 3, "mail": 5}
MATRIX = replace(POLICY, version=8, interrupts={"phone": frozenset({"mail"})})
media = st.sampled_from(["phone", "chat", "mail"])


@pytest.mark.parametrize(
    ("held", "arriving", "fits"),
    [
        (["mail", "mail"], "phone", True),
        (["chat"], "phone", False),
        (["mail", "chat"], "phone", False),
        (["phone"], "mail", False),
        (["phone"], "phone", False),
        (["mail"], "chat", True),
    ],
)
def test_a_call_may_interrupt_a_mail_but_not_a_chat(held: list[str], arriving: str, *, fits: bool) -> None:
    floor = Floor(ready("anna", capacity=MANY), policy=MATRIX)
    floor.do(*(c.WorkTaken(item(f"held{n}", medium=medium), "anna") for n, medium in enumerate(held)))
    floor.do(queued("new", medium=arriving))
    assert floor.rings() == ({"new": "anna"} if fits else {})


@pytest.mark.parametrize(
    ("held", "arriving", "fits"),
    [
        (["chat", "chat"], "chat", False),
        (["chat", "mail"], "mail", True),
        (["chat", "mail", "mail"], "mail", False),
        (["mail", "mail", "mail"], "chat", False),
    ],
)
def test_all_together_weigh_no_more_than_the_agent_has_units(
    held: list[str], arriving: str, *, fits: bool
) -> None:
    policy = replace(POLICY, weights={"chat": 2}, exclusive=frozenset())
    floor = Floor(ready("anna", capacity=MANY, units=4), policy=policy)
    floor.do(*(c.WorkTaken(item(f"held{n}", medium=medium), "anna") for n, medium in enumerate(held)))
    floor.do(queued("new", medium=arriving))
    assert floor.rings() == ({"new": "anna"} if fits else {})


def test_a_new_matrix_counts_for_what_waits_already() -> None:
    floor = Floor(
        ready("anna", capacity=MANY), c.WorkTaken(item("mail", medium="mail"), "anna"), queued("call")
    )
    assert floor.rings() == {}
    floor.do(c.PolicyChanged(MATRIX))
    assert floor.rings() == {"call": "anna"}


@given(st.lists(st.tuples(st.booleans(), media), max_size=30), st.integers(0, 6) | st.none())
def test_rooms_step_by_step_are_those_of_the_count(steps: list[tuple[bool, str]], units: int | None) -> None:
    policy = Policy(1, (), interrupts={"phone": frozenset({"mail"})}, weights={"chat": 2})
    room, load = Rooms(Agent("anna", frozenset(), {}, MANY, units), policy).room({}), dict[str, int]()
    for take, medium in steps:
        if take:
            load[medium] = load.get(medium, 0) + 1
            room = room.plus(medium)
        elif load.get(medium):
            load[medium] -= 1
            room = room.minus(medium)
        load = {each: number for each, number in load.items() if number}
        assert room.load == load
        assert room.open == tuple(
            each
            for each in MANY
            if has_room(
                MANY,
                load,
                each,
                policy.exclusive,
                interrupts=policy.interrupts.get(each, frozenset()),
                weights=policy.weights,
                units=units,
            )
        )
