"""The log's way of writing: what is written can be read, and nothing else is."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing import commands as c
from routing import decisions as d
from routing.codec import CLASSES, decode, decode_as, encode
from routing.model import (
    Agent,
    Hours,
    Offer,
    Overflow,
    Policy,
    Preferred,
    QueuePolicy,
    Ring,
    Skill,
    Span,
    WorkItem,
)
from tests.routing.worlds import START, item, ready

texts = st.text(max_size=8)
micros = st.integers(-(2**63), 2**63 - 1)
skills = st.builds(Skill, texts, st.integers(1, 5))
terms = st.lists(skills, max_size=3).map(tuple)
preferences = st.builds(Preferred, texts, st.none() | micros, texts, st.booleans(), st.booleans())
items = st.builds(
    WorkItem,
    texts,
    texts,
    texts,
    micros,
    st.integers(),
    terms,
    st.lists(terms, max_size=2).map(tuple),
    st.lists(preferences, max_size=2).map(tuple),
    st.integers(),
)
rings = st.builds(Ring, micros, st.lists(texts, max_size=2).map(tuple), st.integers())
levels = st.dictionaries(texts, st.integers(0, 9), max_size=3)
agents = st.builds(
    Agent,
    texts,
    st.frozensets(texts, max_size=3),
    levels,
    levels,
    st.none() | st.integers(),
    st.none() | micros,
)
spans = st.lists(st.builds(Span, st.integers(), st.integers()), max_size=2).map(tuple)
hours = st.builds(
    Hours, texts, st.lists(spans, max_size=2).map(tuple), st.dictionaries(texts, spans, max_size=2)
)
overflows = st.lists(st.builds(Overflow, texts, texts, texts, micros, st.integers()), max_size=2).map(tuple)
queue_policies = st.builds(
    QueuePolicy,
    texts,
    micros,
    micros,
    micros,
    micros,
    st.integers(),
    rings=st.lists(rings, max_size=2).map(tuple),
    order=texts,
    value_weight=micros,
    value_cap=micros,
    hours=st.none() | hours,
    overflow=overflows,
    choice=texts,
)
policies = st.builds(
    Policy,
    st.integers(),
    st.lists(queue_policies, max_size=3).map(tuple),
    st.frozensets(texts, max_size=3),
    st.dictionaries(texts, st.frozensets(texts, max_size=2), max_size=2),
    levels,
    micros,
)
offers = st.builds(Offer, texts, texts, texts, micros, micros, st.integers())
because = st.dictionaries(
    texts, st.one_of(texts, st.integers(), st.floats(allow_nan=False), st.booleans(), st.none()), max_size=4
)
decisions = st.one_of(
    st.builds(d.OfferMade, offers, because),
    st.builds(d.OfferExpired, offers, because),
    st.builds(d.OfferWithdrawn, offers, because),
    st.builds(d.Overflowed, texts, texts, texts, because),
    st.builds(d.AgentBenched, texts, texts, texts, because),
    st.builds(d.Unroutable, texts, because),
    st.builds(d.WrapUpExpired, texts, texts, because),
)
commands = st.one_of(
    st.builds(c.WorkQueued, items, st.integers()),
    st.builds(c.WorkChanged, items),
    st.builds(c.WorkTaken, items, texts),
    st.builds(c.WorkEnded, texts),
    st.builds(c.AgentReady, agents, micros),
    st.builds(c.AgentChanged, agents),
    st.builds(c.AgentAway, texts, texts),
    st.builds(c.AgentGone, texts),
    st.builds(c.WrapUpStarted, texts, texts, micros),
    st.builds(c.WrapUpEnded, texts, texts),
    st.builds(c.OfferAccepted, texts, texts, texts),
    st.builds(c.OfferDeclined, texts, texts, texts),
    st.builds(c.DecisionRefused, decisions, texts),
    st.builds(c.PolicyChanged, policies),
    st.just(c.Tick()),
)
values = st.one_of(
    commands, decisions, skills, items, agents, queue_policies, policies, offers, preferences, rings
)


@given(values)
def test_what_is_written_is_read(value: object) -> None:
    written = json.loads(json.dumps(encode(value)))
    assert written["kind"] == type(value).__name__
    assert decode(written) == value


def test_every_class_is_covered_by_the_round_trip() -> None:
    assert len(CLASSES) == 15 + 10 + 14


def test_the_way_of_writing_is_fixed() -> None:
    """Logs outlive versions: a change here needs a reader for what is stored already."""
    value = c.DecisionRefused(
        d.OfferMade(Offer("x.1", "x", "anna", 5, 7, 1), {"rule": "longest_idle"}), "item"
    )
    assert encode(value) == {
        "kind": "DecisionRefused",
        "decision": {
            "kind": "OfferMade",
            "offer": {"id": "x.1", "item": "x", "agent": "anna", "made_at": 5, "deadline": 7, "attempt": 1},
            "because": {"rule": "longest_idle"},
        },
        "reason": "item",
    }
    assert encode(Agent("anna", frozenset({"b", "a"}), {"z": 1, "y": 2})) == {
        "kind": "Agent",
        "id": "anna",
        "queues": ["a", "b"],
        "skills": {"y": 2, "z": 1},
        "capacity": {},
    }


def test_a_field_with_a_default_may_be_missing() -> None:
    written = encode(item("call"))
    del written["requires"], written["priority"]
    assert decode(written) == item("call")


def queued(**changes: object) -> dict[str, Any]:
    written = encode(c.WorkQueued(item("call")))
    return {**written, "item": {**written["item"], **changes}}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "unknown kind None"),
        ({"kind": "Nonsense"}, "unknown kind 'Nonsense'"),
        ({"kind": ["WorkEnded"]}, "unknown kind"),
        ([], "an object is expected"),
        ({"kind": "WorkEnded"}, "missing .'item'."),
        ({"kind": "WorkEnded", "item": "x", "colour": 1}, "unknown .'colour'."),
        ({"kind": "WorkEnded", "item": 5}, "str is expected, not 5"),
        ({"kind": "WorkEnded", "item": None}, "str is expected"),
        (queued(priority=True), "int is expected, not True"),
        (queued(queued_at=1.5), "int is expected"),
        (queued(requires={"name": "german"}), "a list is expected"),
        (queued(requires=[{"name": "german", "levels": 1}]), "unknown .'levels'."),
        (queued(requires=["german"]), "Skill: an object is expected"),
        ({"kind": "AgentReady", "agent": encode(ready("anna").agent), "idle_since": 1}, "unknown .'kind'."),
        (
            {"kind": "DecisionRefused", "decision": encode(c.Tick()), "reason": "x"},
            "Tick does not belong here",
        ),
        ({"kind": "Unroutable", "item": "x", "because": {"rule": []}}, "is expected, not"),
        (
            {"kind": "Agent", "id": "a", "queues": [], "skills": ["german"]},
            "an object with names is expected",
        ),
    ],
)
def test_everything_else_is_refused(data: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode(data)


def test_what_is_not_ours_is_not_written() -> None:
    with pytest.raises(TypeError, match="datetime is no command"):
        encode(__import__("datetime").datetime.fromtimestamp(0, tz=None))


def test_the_expected_class_is_asked_for() -> None:
    assert decode_as(c.WorkEnded, encode(c.WorkEnded("x"))) == c.WorkEnded("x")
    with pytest.raises(ValueError, match="Policy is expected, not Tick"):
        decode_as(Policy, encode(c.Tick()))


def test_time_stays_whole() -> None:
    assert decode(encode(c.WorkQueued(item("x", queued_at=START)))).item.queued_at == START
