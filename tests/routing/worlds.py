"""Small worlds for tests: few names, so that commands meet each other often, and strategies that draw from them."""

from dataclasses import replace

from hypothesis import strategies as st

from routing import commands as c
from routing.choice import CHOICES
from routing.model import (
    MINUTE,
    SECOND,
    Ageing,
    Agent,
    Callback,
    CallbackRule,
    Hours,
    Micros,
    Overflow,
    Policy,
    Preferred,
    QueuePolicy,
    Ring,
    Skill,
    Span,
    WorkItem,
)

START: Micros = 1_700_000_000 * SECOND
QUEUES = ("billing", "repair", "sales")
MEDIA = ("phone", "chat", "mail")
SKILLS = ("german", "repair")
ITEMS = tuple(f"i{number}" for number in range(9))
AGENTS = tuple(f"a{number}" for number in range(6))

rings = st.sampled_from(
    [
        (),
        (),
        (Ring(0, lower=1), Ring(20 * SECOND, drop=("german",))),
        (Ring(15 * SECOND, lower=1), Ring(40 * SECOND, drop=("repair",), lower=1)),
    ]
)
some_call_rules = st.builds(
    CallbackRule,
    first=st.sampled_from(["agent", "customer", "customer"]),
    position=st.integers(1, 3),
    within=st.sampled_from([0, 0, MINUTE, 5 * MINUTE]),
    tries=st.integers(1, 3),
    pause=st.sampled_from([0, 20 * SECOND]),
    answer=st.sampled_from([10 * SECOND, 30 * SECOND]),
    lasts=st.sampled_from([40 * SECOND, 2 * MINUTE, 72 * 60 * MINUTE]),
)
call_rules = st.one_of(st.none(), some_call_rules)
ageings = st.sampled_from(
    [
        (),
        (),
        (Ageing(300, priority=1),),
        (Ageing(50, media=frozenset({"mail"})), Ageing(1000, priority=2), Ageing(250, priority=1)),
    ]
)
NIGHTS = Hours("UTC", ((Span(0, 22 * 60 + 14), Span(22 * 60 + 16, 1440)),) * 7)  # START is 22:13:20
steps = st.builds(
    Overflow,
    when=st.sampled_from(["wait", "size", "no_staff", "closed"]),
    to=st.sampled_from(["queue", "callback", "voicemail"]),
    after=st.sampled_from([20 * SECOND, 50 * SECOND]),
    size=st.integers(0, 3),
).map(lambda step: replace(step, queue="sales" if step.to == "queue" else ""))
overflows = st.one_of(st.just(()), st.just(()), st.lists(steps, max_size=2).map(tuple))
policies = st.builds(
    Policy,
    version=st.integers(1, 3),
    queues=st.tuples(
        *(
            st.builds(
                QueuePolicy,
                id=st.just(queue),
                target=st.sampled_from([0, 20 * SECOND, 2 * MINUTE]),
                ring=st.sampled_from([5 * SECOND, 20 * SECOND]),
                decline_pause=st.sampled_from([0, 10 * SECOND, 30 * SECOND]),
                priority=st.integers(-1, 2),
                rings=rings,
                order=st.sampled_from(["due", "due", "strict"]),
                value_weight=st.sampled_from([0, 10 * SECOND]),
                value_cap=st.just(MINUTE),
                choice=st.sampled_from(CHOICES),
                any_of=st.sampled_from([(), (), (), ((Skill("german", 2),), (Skill("repair", 1),))]),
                hours=st.sampled_from([None, None, NIGHTS]),
                overflow=overflows,
                ageing=ageings,
                callback=call_rules,
                head_starts=st.sampled_from([{}, {}, {"mail": -4}, {"mail": -1, "chat": 2}]),
                waits_for=st.sampled_from(
                    [{}, {}, {"owner": 20 * SECOND}, {"owner": 0, "last_agent": MINUTE}]
                ),
            )
            for queue in QUEUES[:2]  # the third has no rules of its own
        )
    ),
    exclusive=st.sampled_from([frozenset({"phone"}), frozenset({"phone", "chat"}), frozenset()]),
    interrupts=st.sampled_from([{}, {"phone": frozenset({"mail"})}, {"chat": frozenset({"mail"})}]),
    weights=st.sampled_from([{}, {"phone": 2, "mail": 1}]),
    shift_margin=st.sampled_from([0, 10 * SECOND]),
    bench_after=st.sampled_from([1, 1, 2, 3]),
)
POLICY = Policy(1, (QueuePolicy("billing"), QueuePolicy("repair", target=60 * SECOND)))

skills = st.dictionaries(st.sampled_from(SKILLS), st.integers(1, 3), max_size=2)
requirements = st.lists(st.builds(Skill, st.sampled_from(SKILLS), st.integers(1, 3)), max_size=2).map(tuple)
terms = st.one_of(st.just(()), st.just(()), st.lists(requirements, min_size=1, max_size=3).map(tuple))
preferences = st.builds(
    Preferred,
    agent=st.sampled_from(AGENTS),
    within=st.sampled_from([10 * SECOND, 30 * SECOND, 60 * SECOND, None]),
    why=st.sampled_from(["last_agent", "owner"]),
    direct=st.booleans(),
    override=st.booleans(),
)
wishes = st.one_of(
    st.just(()), st.just(()), st.lists(preferences, max_size=2, unique_by=lambda wish: wish.agent).map(tuple)
)
agents = st.builds(
    Agent,
    id=st.sampled_from(AGENTS),
    queues=st.frozensets(st.sampled_from(QUEUES), min_size=1),
    skills=skills,
    capacity=st.fixed_dictionaries({}, optional={medium: st.integers(0, 2) for medium in MEDIA}),
    units=st.sampled_from([None, None, 2, 4]),
    shift_end=st.one_of(st.none(), st.integers(0, 60).map(lambda tens: START + tens * 10 * SECOND)),
)
likely_agents = st.builds(
    Agent,
    id=st.sampled_from(AGENTS),
    queues=st.just(frozenset(QUEUES)),
    skills=st.just({"german": 2}),
    capacity=st.just({"phone": 1, "chat": 2, "mail": 2}),
)


def items(now: Micros) -> st.SearchStrategy[WorkItem]:
    return st.builds(
        WorkItem,
        id=st.sampled_from(ITEMS),
        medium=st.sampled_from(MEDIA),
        queue=st.sampled_from(QUEUES),
        queued_at=st.integers(0, 5).map(lambda steps: now - steps * 10 * SECOND),
        priority=st.integers(0, 2),
        requires=st.one_of(st.just(()), st.just(()), st.just((Skill("german", 2),)), requirements),
        any_of=terms,
        preferred=wishes,
        value=st.sampled_from([0, 0, 3, 50]),
        kept=st.sampled_from(["", "", "called_again"]),
        joined_at=st.sampled_from([0, 0, 0, now, now - 10 * SECOND]),
        placed=st.sampled_from([False, False, True]),
        callback=st.sampled_from(
            [None] * 5
            + [Callback(), Callback(1), Callback(1, now + 20 * SECOND), Callback(0, 0, now - 10 * SECOND)]
            + [Callback(asked_at=now), Callback(asked_at=now - 30 * SECOND)]
        ),
    )


def agent(name: str = "anna", **changes: object) -> Agent:
    """Somebody who serves everything, one at a time."""
    values: dict[str, object] = {
        "queues": frozenset(QUEUES),
        "skills": {},
        "capacity": {"phone": 1, "chat": 1, "mail": 1},
    }
    return Agent(name, **{**values, **changes})  # type: ignore[arg-type]  # the values are the test's own business


def item(name: str = "call", **changes: object) -> WorkItem:
    values: dict[str, object] = {"medium": "phone", "queue": "billing", "queued_at": START}
    return WorkItem(name, **{**values, **changes})  # type: ignore[arg-type]  # as above


def ready(name: str = "anna", idle_since: Micros = START, **changes: object) -> c.AgentReady:
    return c.AgentReady(agent(name, **changes), idle_since)


def queued(name: str = "call", **changes: object) -> c.WorkQueued:
    return c.WorkQueued(item(name, **changes))
