"""A queue's line while its rules and its items change: each item counts once, however often it has joined."""

from time import process_time

import pytest

from routing import commands as c
from routing.lines import STALE
from routing.model import SECOND, Policy, QueuePolicy
from routing.router import Router
from tests.routing.worlds import START, item, queued, ready

MANY = 5_000
PUBLISHED = 3
SOON = 2.0
"""Seconds of computing for three publishes and as many changes as items; a scan for each join took 15 for one."""


def rules(version: int) -> Policy:
    return Policy(version, (QueuePolicy("billing", target=version * SECOND),))


def crowded(many: int) -> Router:
    router = Router(rules(1))
    router.apply(c.AgentReady(ready().agent, START), START)
    for number in range(many):
        router.apply(queued(f"i{number:05}", queued_at=START + number), START + number)
    return router


def test_publishing_while_many_wait_takes_no_longer_each_time() -> None:
    router = crowded(MANY)
    begin = process_time()
    for version in range(2, 2 + PUBLISHED):
        router.apply(c.PolicyChanged(rules(version)), START + MANY)
    for number in range(MANY):
        router.apply(c.WorkChanged(item(f"i{number:05}", queued_at=START + number, priority=1)), START + MANY)
    assert process_time() - begin < SOON


@pytest.mark.parametrize("changes", [1, 2, 7])
def test_what_joins_again_with_the_same_arrival_leaves_no_second_entry(changes: int) -> None:
    router = crowded(200)
    line = router.floor.lines["billing"]
    for version in range(2, 2 + changes):
        router.apply(c.PolicyChanged(rules(version)), START + 200)
        for number in range(200):
            again = item(f"i{number:05}", queued_at=START + number, value=version)
            router.apply(c.WorkChanged(again), START + 200)
            assert len(line._arrivals) <= 2 * line.unanswered + STALE + 1
    live = [each for each in line._arrivals if line._is_here(each)]
    assert len(live) == line.unanswered == 200
    assert line.oldest() == START
    router.apply(c.WorkEnded("i00000"), START + 200)
    assert line.oldest() == START + 1
