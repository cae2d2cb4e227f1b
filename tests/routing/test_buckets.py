"""Buckets of equal eligibility, and what happens when there are too many of them."""

import pytest

from routing import buckets
from routing import commands as c
from routing.buckets import may_serve
from routing.invariants import check
from routing.model import Skill
from routing.requirements import signature
from routing.router import Router
from tests.routing.worlds import POLICY, START, agent, queued, ready


def test_a_signature_does_not_depend_on_how_requirements_are_written() -> None:
    written = (Skill("b", 2), Skill("a", 1), Skill("b", 3), Skill("b", 1))
    assert signature(written) == (Skill("a", 1), Skill("b", 3))
    assert signature(tuple(reversed(written))) == signature(written)
    assert signature(()) == ()


def test_a_level_of_zero_or_less_still_asks_for_the_skill() -> None:
    assert not may_serve(agent("anna"), "billing", "phone", (Skill("german", 0),))
    assert may_serve(agent("anna", skills={"german": 0}), "billing", "phone", (Skill("german", 0),))


def test_ways_of_writing_share_a_bucket() -> None:
    router = Router(POLICY)
    for number, requires in enumerate([(Skill("b"), Skill("a")), (Skill("a"), Skill("b")), (Skill("a"),)]):
        router.apply(queued(f"call{number}", requires=requires), START)
    assert len(list(router.floor.buckets)) == 2


def test_buckets_in_which_nothing_waits_are_dropped_when_there_are_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(buckets, "BUCKET_LIMIT", 10)
    router = Router(POLICY)
    router.apply(ready("anna", skills={"s1": 1, "s2": 1, "s3": 1}), START)
    router.apply(c.AgentChanged(agent("bert", skills={f"s{number}": 1 for number in range(60)})), START)
    for number in range(60):
        router.apply(queued(f"call{number}", requires=(Skill(f"s{number}"),)), START)
        check(router)
        if number % 2:
            router.apply(c.WorkEnded(f"call{number}"), START)
    kept = len(list(router.floor.buckets))
    assert 30 <= kept < 60
    router.apply(c.AgentReady(agent("bert", skills={f"s{number}": 1 for number in range(60)}), START), START)
    check(router)
    assert {offer.agent for offer in router.pending_offers()} == {"anna", "bert"}
