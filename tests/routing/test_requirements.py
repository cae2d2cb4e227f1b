"""What an item asks of an agent: AND/OR of skill >= level, and rings that relax it (FEATURES §5: "Skills with levels",
"Rings: relax skills over time, place kept")."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing import buckets, requirements
from routing import commands as c
from routing import decisions as d
from routing.drafts import faults
from routing.model import SECOND, Policy, QueuePolicy, Ring, Skill
from routing.requirements import met, normal, parse, relaxed, words
from tests.routing.floors import POLICY, Floor
from tests.routing.worlds import START, agent, item, queued, ready

skills = st.builds(Skill, st.sampled_from("abc"), st.integers(1, 3))
terms = st.lists(st.lists(skills, max_size=3).map(tuple), max_size=4)
RINGED = Policy(
    1, (QueuePolicy("billing", rings=(Ring(20 * SECOND, lower=1), Ring(40 * SECOND, drop=("german",)))),)
)


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("german", {(Skill("german", 1),)}),
        ("german>=3 and repair", {(Skill("german", 3), Skill("repair", 1))}),
        ("a or b and c>=2", {(Skill("a", 1),), (Skill("b", 1), Skill("c", 2))}),
        ("(a or b) AND c", {(Skill("a", 1), Skill("c", 1)), (Skill("b", 1), Skill("c", 1))}),
        ("a>=1 and a>=3 or a>=3 and b", {(Skill("a", 3),)}),
        ("a>=2 or a", {(Skill("a", 1),)}),
    ],
)
def test_what_is_written_means(text: str, means: set[tuple[Skill, ...]]) -> None:
    assert set(parse(text)) == means
    assert parse(words(parse(text))) == parse(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "a skill is expected"),
        ("a and", "a skill is expected"),
        ("(a or b", "add '\\)'"),
        ("a)", "'\\)' is not expected"),
        ("a b", "join skills by 'and' or 'or'"),
        ("a >= x", "join skills|cannot read"),
        (" or ".join(f"s{number}" for number in range(9)), "9 alternatives, at most 8"),
        (" and ".join(f"(a{number} or b{number})" for number in range(40)), "more than 8 alternatives"),
    ],
)
def test_what_cannot_be_read_is_refused_with_field_and_cure(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=f"queues.billing.requires: .*({says})"):
        parse(text, "queues.billing.requires")


@given(terms, st.dictionaries(st.sampled_from("abc"), st.integers(0, 3)))
def test_the_normal_form_means_the_same(written: list[tuple[Skill, ...]], has: dict[str, int]) -> None:
    plain = any(all(has.get(skill.name, -1) >= skill.level for skill in term) for term in written)
    assert met(normal(written), has) == plain


@given(terms)
def test_equal_meanings_have_one_normal_form(written: list[tuple[Skill, ...]]) -> None:
    def means(form: list[tuple[Skill, ...]]) -> list[bool]:
        everybody = [dict(zip("abc", levels, strict=True)) for levels in product(range(4), repeat=3)]
        return [met(tuple(form), {name: level for name, level in has.items() if level}) for has in everybody]

    form = normal(written)
    assert normal(reversed(written)) == form
    for term in form:  # none of them is spare
        assert means([each for each in form if each != term]) != means(list(form))


@pytest.mark.parametrize(
    ("has", "fits"),
    [
        ({"german": 3, "repair": 1}, True),
        ({"german": 3, "network": 2}, True),
        ({"german": 3, "network": 1}, False),
        ({"repair": 3, "network": 3}, False),
    ],
)
def test_one_of_the_alternatives_besides_what_all_ask_for(has: dict[str, int], *, fits: bool) -> None:
    floor = Floor(ready("anna", skills=has))
    floor.do(
        queued("call", requires=(Skill("german", 2),), any_of=((Skill("repair"),), (Skill("network", 2),)))
    )
    assert floor.rings() == ({"call": "anna"} if fits else {})


def test_a_new_level_counts_for_work_that_waits_at_once() -> None:
    floor = Floor(ready("anna", skills={"a": 1}), queued("call", any_of=((Skill("a", 2),), (Skill("b"),))))
    assert floor.rings() == {}
    floor.do(c.AgentChanged(agent("anna", skills={"a": 2})))
    assert floor.rings() == {"call": "anna"}


def test_too_many_alternatives_wait_for_nobody_and_say_why() -> None:
    floor = Floor(ready("anna", skills={f"s{number}": 1 for number in range(9)}))
    (told,) = floor.do(queued("call", any_of=tuple((Skill(f"s{number}"),) for number in range(9))))
    assert isinstance(told, d.Unroutable)
    assert (told.because["rule"], told.because["field"]) == ("too_many_requirements", "requires")
    floor.do(c.WorkChanged(item("call", any_of=tuple((Skill(f"s{number}"),) for number in range(8)))))
    assert floor.rings() == {"call": "anna"}


def test_too_many_signatures_at_once_are_refused_and_those_in_use_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(buckets, "MOST_SIGNATURES", 5)
    floor = Floor(*(queued(f"call{number}", requires=(Skill(f"s{number}"),)) for number in range(5)))
    (told,) = floor.do(queued("one-more", requires=(Skill("s5"),)))
    assert told.because["rule"] == "too_many_requirements"
    (same,) = floor.do(queued("same", requires=(Skill("s0"),)))
    assert same.because["rule"] == "no_such_agent"
    floor.do(c.WorkEnded("call4"), ready("anna", skills={"s6": 1}), queued("later", requires=(Skill("s6"),)))
    assert floor.rings() == {"later": "anna"}
    assert requirements.MOST_SIGNATURES == 2000


# --- rings ------------------------------------------------------------------------------------------------------


def test_rings_ask_for_less_and_less_and_the_place_is_kept() -> None:
    floor = Floor(policy=RINGED)
    floor.do(ready("anna", skills={"german": 2}), ready("bert"))
    floor.do(
        queued("hard", requires=(Skill("german", 3),)), queued("hard-too", requires=(Skill("german", 3),))
    )
    assert floor.router.next_deadline() == START + 20 * SECOND
    assert floor.do(c.Tick(), after=20 * SECOND - 1) == []
    (made,) = floor.do(c.Tick(), after=1)
    assert floor.rings() == {"hard": "anna"}
    assert made.because["ring"] == 1
    floor.accept("hard")
    floor.do(c.Tick(), after=15 * SECOND)
    assert floor.router.position("hard-too") == 1
    floor.do(c.Tick(), after=5 * SECOND)
    assert floor.rings()["hard-too"] == "bert"


def test_changed_rings_apply_to_items_that_wait_already() -> None:
    floor = Floor(ready("anna"), queued("call", requires=(Skill("german"),)))
    floor.do(c.Tick(), after=30 * SECOND)
    assert floor.rings() == {}
    queue = QueuePolicy("billing", rings=(Ring(25 * SECOND, drop=("german",)),))
    floor.do(c.PolicyChanged(replace(POLICY, version=8, queues=(queue,))))
    assert floor.rings() == {"call": "anna"}


def test_levels_never_fall_below_one_and_dropped_skills_are_not_asked_for() -> None:
    asked = ((Skill("a", 3), Skill("b", 2)),)
    assert relaxed(asked, (Ring(0, lower=9),)) == ((Skill("a", 1), Skill("b", 1)),)
    assert relaxed(asked, (Ring(0, drop=("a",)), Ring(0, lower=1))) == ((Skill("b", 1),),)


def test_what_the_queue_asks_for_counts_besides_for_items_that_wait_already() -> None:
    floor = Floor(ready("anna", skills={"german": 3, "repair": 1}), ready("bert", skills={"repair": 2}))
    floor.do(c.AgentAway("anna", "lunch"), c.AgentAway("bert", "lunch"), queued(requires=(Skill("repair"),)))
    asks = (QueuePolicy("billing", any_of=parse("german>=3 or repair>=3")),)
    floor.do(c.PolicyChanged(replace(POLICY, version=8, queues=asks)))
    floor.do(ready("bert", skills={"repair": 2}))
    assert floor.rings() == {}, "bert has neither"
    floor.do(ready("anna", skills={"german": 3}))
    assert floor.rings() == {}, "the item asks for repair itself"
    floor.do(ready("anna", skills={"german": 3, "repair": 1}))
    assert floor.rings() == {"call": "anna"}


def test_a_queue_that_asks_for_what_nobody_has_is_refused_unless_a_ring_lets_go_of_it() -> None:
    asks = QueuePolicy("billing", any_of=((Skill("german", 5),),))
    people = [agent("anna", skills={"german": 2})]
    assert [fault.field for fault in faults(Policy(1, (asks,)), agents=people)] == ["queues.billing"]
    let_go = replace(asks, rings=(Ring(SECOND, lower=3),))
    assert faults(Policy(1, (let_go,)), agents=people) == ()
