"""A draft is refused with the field and the cure, or may be published (issue 5, "Bad input")."""

from dataclasses import replace

import pytest
from hypothesis import given

from routing.ageing import overtaking
from routing.codec import encode
from routing.drafts import changes, faults, read, serves
from routing.model import (
    MINUTE,
    SECOND,
    Ageing,
    CallbackRule,
    Hours,
    Overflow,
    Policy,
    QueuePolicy,
    Ring,
    Skill,
    Span,
)
from routing.router import Router
from tests.routing import worlds
from tests.routing.worlds import START, agent, item, queued, ready

GOOD = Policy(
    1,
    (
        QueuePolicy(
            "billing",
            rings=(Ring(10 * SECOND, ("german",)), Ring(20 * SECOND, lower=1)),
            overflow=(Overflow("wait", "queue", "repair", after=MINUTE), Overflow("closed", "message")),
            hours=Hours("Europe/Berlin", ((Span(480, 720), Span(780, 1080)),) * 7, {"2026-12-24": ()}),
        ),
        QueuePolicy("repair", overflow=(Overflow("no_staff", "voicemail"),)),
    ),
)


def with_billing(**changed: object) -> Policy:
    return replace(GOOD, queues=(replace(GOOD.queues[0], **changed), GOOD.queues[1]))  # type: ignore[arg-type]  # the fault itself


def week(*spans: Span) -> Hours:
    return Hours("UTC", (spans, *(((),) * 6)))


def test_a_good_one_has_no_faults() -> None:
    known = {"skills": ["german"], "media": ["phone", "mail"]}
    draft = replace(GOOD, interrupts={"phone": frozenset({"mail"})}, weights={"phone": 2})
    assert faults(draft, agents=[agent("anna")], **known) == ()


@pytest.mark.parametrize(
    ("draft", "field", "says"),
    [
        (with_billing(target=-1), "queues.billing.target", "negative"),
        (with_billing(ring=0), "queues.billing.ring", "more than 0"),
        (
            with_billing(callback=CallbackRule("robot")),
            "queues.billing.callback.first",
            "one of agent, customer",
        ),
        (with_billing(callback=CallbackRule(position=0)), "queues.billing.callback.position", "1 or more"),
        (with_billing(callback=CallbackRule(tries=0)), "queues.billing.callback.tries", "1 or more"),
        (with_billing(callback=CallbackRule(tries=21)), "queues.billing.callback.tries", "more than 20"),
        (with_billing(callback=CallbackRule(answer=0)), "queues.billing.callback.answer", "1 or more"),
        (with_billing(callback=CallbackRule(lasts=0)), "queues.billing.callback.lasts", "1 or more"),
        (with_billing(callback=CallbackRule(within=-1)), "queues.billing.callback.within", "negative"),
        (with_billing(callback=CallbackRule(pause=-1)), "queues.billing.callback.pause", "negative"),
        (with_billing(recover=-1), "queues.billing.recover", "negative"),
        (with_billing(waits_for={"owner": -1}), "queues.billing.waits_for.owner", "negative"),
        (with_billing(order="fifo"), "queues.billing.order", "one of due, strict"),
        (with_billing(ageing=(Ageing(0),)), "queues.billing.ageing.0.slope", "from 1 to 1000 percent"),
        (with_billing(ageing=(Ageing(1001),)), "queues.billing.ageing.0.slope", "from 1 to 1000 percent"),
        (
            with_billing(ageing=(Ageing(50, media=frozenset({"fax"})),)),
            "queues.billing.ageing.0.media",
            "no medium 'fax'",
        ),
        (
            with_billing(ageing=(Ageing(200, priority=1), Ageing(300, priority=2))),
            "queues.billing.ageing.1",
            "never reached",
        ),
        (with_billing(ageing=(Ageing(200),), order="strict"), "queues.billing.ageing", "leave one out"),
        (with_billing(choice="random"), "queues.billing.choice", "one of longest_idle"),
        (with_billing(rings=(Ring(0, ("latin",)),)), "queues.billing.rings.0.drop", "no skill 'latin'"),
        (
            with_billing(rings=(Ring(5), Ring(5))),
            "queues.billing.rings.1.after",
            "later than the ring before",
        ),
        (with_billing(rings=(Ring(5, lower=-1),)), "queues.billing.rings.0.lower", "only ask for less"),
        (
            with_billing(overflow=(Overflow("wait", "queue", "sale"),)),
            "queues.billing.overflow.0.queue",
            "no queue",
        ),
        (with_billing(overflow=(Overflow("wait", "fax"),)), "queues.billing.overflow.0.to", "one of queue"),
        (
            with_billing(overflow=(Overflow("later", "message"),)),
            "queues.billing.overflow.0.when",
            "one of wait",
        ),
        (
            with_billing(overflow=(Overflow("size", "message", size=-1),)),
            "queues.billing.overflow.0.size",
            "negative",
        ),
        (
            with_billing(overflow=(Overflow("wait", "message", "repair"),)),
            "queues.billing.overflow.0.queue",
            "leave",
        ),
        (with_billing(hours=None), "queues.billing.overflow.1.when", "give it hours"),
        (with_billing(hours=Hours("Mars/Base", ((),) * 7)), "queues.billing.hours.zone", "no time zone"),
        (with_billing(hours=Hours("UTC", ((),) * 6)), "queues.billing.hours.week", "7, from Monday"),
        (with_billing(hours=week(Span(480, 700), Span(690, 900))), "queues.billing.hours.monday", "overlap"),
        (with_billing(hours=week(Span(700, 480))), "queues.billing.hours.monday", "opens before it closes"),
        (
            with_billing(hours=Hours("UTC", ((),) * 7, {"24.12.": ()})),
            "queues.billing.hours.days.24.12.",
            "no date",
        ),
        (replace(GOOD, weights={"fax": 1}), "weights.fax", "no medium 'fax'"),
        (replace(GOOD, weights={"mail": -1}), "weights.mail", "negative"),
        (
            replace(GOOD, interrupts={"mail": frozenset({"mail"})}),
            "interrupts.mail",
            "cannot interrupt itself",
        ),
        (replace(GOOD, shift_margin=-1), "shift_margin", "negative"),
        (replace(GOOD, bench_after=0), "bench_after", "1 or more"),
        (with_billing(any_of=((Skill("latin"),),)), "queues.billing.any_of", "no skill 'latin'"),
        (with_billing(any_of=((Skill("german"),),) * 9), "queues.billing.any_of", "at most 8"),
        (replace(GOOD, queues=GOOD.queues * 2), "queues.billing", "stands twice"),
    ],
)
def test_a_fault_is_named_with_its_cure(draft: Policy, field: str, says: str) -> None:
    found = faults(draft, skills=["german"], media=["phone", "mail"], agents=[agent("anna")])
    assert field in [fault.field for fault in found], found
    assert any(says in fault.says for fault in found if fault.field == field), found


def test_circles_are_named() -> None:
    def to(queue: str) -> tuple[Overflow, ...]:
        return (Overflow("wait", "queue", queue),)

    chain = [QueuePolicy("a", overflow=to("b")), QueuePolicy("b", overflow=to("c")), QueuePolicy("c")]
    assert faults(Policy(1, tuple(chain))) == ()
    found = faults(
        Policy(1, (*chain[:2], QueuePolicy("c", overflow=to("b")), QueuePolicy("d", overflow=to("d"))))
    )
    assert [(fault.field, fault.says.split(";")[0]) for fault in found] == [
        ("queues.b.overflow", "goes in a circle: b → c → b"),
        ("queues.c.overflow", "goes in a circle: c → b → c"),
        ("queues.d.overflow", "goes in a circle: d → d"),
    ]


def test_a_queue_that_could_never_serve_an_item_is_refused() -> None:
    draft = Policy(
        1, (QueuePolicy("billing"), QueuePolicy("repair", overflow=(Overflow("wait", "message"),)))
    )
    found = faults(draft, agents=[agent("anna", queues=frozenset({"sales"}))])
    assert [fault.field for fault in found] == ["queues.billing"]
    assert faults(draft, agents=[agent("anna")]) == ()
    assert faults(draft, agents=[agent("anna", capacity={"phone": 0})]) != ()


def test_room_and_skills_must_come_together_in_one_agent() -> None:
    heavy = Policy(1, (QueuePolicy("billing", any_of=((Skill("german", 3),),)),), weights={"phone": 5})
    german = agent("anna", skills={"german": 3}, capacity={"phone": 1}, units=4)
    assert [fault.field for fault in faults(heavy, agents=[german])] == ["queues.billing"]
    assert faults(heavy, agents=[replace(german, units=5)]) == ()
    assert faults(heavy, agents=[replace(german, capacity={"phone": 1, "chat": 1})]) == ()
    call = item("call", requires=(Skill("repair"),))
    plain = replace(heavy, weights={})
    handy = agent("bert", skills={"repair": 1})
    assert not serves(plain, call, [german, handy]), "one speaks, the other repairs"
    assert serves(plain, call, [replace(german, skills={"german": 3, "repair": 1})])
    assert not serves(plain, item("chat", medium="chat"), [german]), "she takes calls only"
    assert serves(plain, item("call"), [german])
    promised = replace(plain, queues=(replace(plain.queues[0], overflow=(Overflow("wait", "callback"),)),))
    assert not serves(promised, call, []), "who is to be called back still waits for somebody"
    leaves = replace(plain, queues=(replace(plain.queues[0], overflow=(Overflow("wait", "message"),)),))
    assert serves(leaves, call, [])


@given(worlds.policies, worlds.policies)
def test_what_changes_is_what_differs(one: Policy, other: Policy) -> None:
    assert changes(one, one) == ()
    assert bool(changes(one, other)) == (replace(one, version=1) != replace(other, version=1))
    assert read(encode(one)) == one


def test_changes_name_the_field() -> None:
    assert [
        tuple(change) for change in changes(GOOD, with_billing(target=60 * SECOND, choice="best_skill"))
    ] == [
        ("queues.billing.choice", "longest_idle", "best_skill"),
        ("queues.billing.target", 20 * SECOND, 60 * SECOND),
    ]


@pytest.mark.parametrize("lowest", [-2, -7])
def test_the_bound_holds_for_items_of_less_than_no_priority(lowest: int) -> None:
    slow, fast = QueuePolicy("billing", target=80 * SECOND), QueuePolicy("repair", target=20 * SECOND)
    policy = Policy(1, (slow, fast))
    bound = overtaking(policy, slow, priority=1, lowest=lowest)
    assert bound == 60 * SECOND + (1 - lowest) * MINUTE
    for later, first in ((bound - 1, "new"), (bound + 1, "old")):
        router = Router(policy)
        router.apply(queued("old", medium="mail", priority=lowest), START)
        router.apply(queued("new", queue="repair", queued_at=START + later, priority=1), START + later)
        router.apply(ready("anna", capacity={"phone": 1, "mail": 1}), START + later)
        assert [offer.item for offer in router.pending_offers()] == [first]
    strict = replace(slow, order="strict")
    assert overtaking(Policy(1, (strict, fast)), strict, lowest=lowest) is None
    assert overtaking(Policy(1, (strict, fast)), strict) is not None


@pytest.mark.parametrize("order", ["due", "strict"])
def test_nobody_who_comes_later_than_the_bound_goes_first(order: str) -> None:
    policy = Policy(
        1,
        (
            QueuePolicy("billing", target=80 * SECOND, order=order),
            QueuePolicy("repair", target=20 * SECOND, priority=1, value_weight=SECOND, value_cap=30 * SECOND),
        ),
    )
    bound = overtaking(policy, policy.queues[0], priority=2, value=100)
    if order == "strict":
        assert bound is None
        return
    assert bound == 60 * SECOND + 3 * MINUTE + 30 * SECOND
    for later, first in ((bound - 1, "new"), (bound + 1, "old")):
        router = Router(policy)
        router.apply(queued("old"), START)
        fast = queued("new", queue="repair", queued_at=START + later, priority=2, value=100)
        router.apply(fast, START + later)
        router.apply(ready("anna"), START + later)
        assert [offer.item for offer in router.pending_offers()] == [first]
