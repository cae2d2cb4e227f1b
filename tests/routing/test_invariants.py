"""The checks find what they are for: each fault is planted, and found."""

from collections.abc import Callable

import pytest

from routing import commands as c
from routing import roster
from routing.invariants import check
from routing.model import MINUTE, SECOND
from routing.records import Place
from routing.router import Router
from tests.routing.worlds import POLICY, START, item, queued, ready


def scene() -> Router:
    """One call rings at Anna, one is with Bert, one in wrap-up with Carl, two wait, Dora is away."""
    router = Router(POLICY)
    for command in (
        ready("bert"),
        c.WorkTaken(item("served"), "bert"),
        ready("carl"),
        c.WorkTaken(item("wrapping"), "carl"),
        c.WrapUpStarted("wrapping", "carl", START + MINUTE),
        ready("anna"),
        queued("rings"),
        queued("waits"),
        queued("waits-too", queue="repair"),
        ready("dora"),
        c.AgentAway("dora", "lunch"),
    ):
        router.apply(command, START)
    for offer in router.pending_offers():
        if offer.agent == "dora":
            router.apply(c.OfferDeclined(offer.id, offer.item, "dora"), START)
    check(router)
    return router


def ready_unseen(router: Router) -> None:
    router.floor.agents["dora"].ready = True


def listed_without_room(router: Router) -> None:
    roster.list_idle(router.floor, router.floor.agents["bert"], ("phone",))


def two_agents_ring_for_one_item(router: Router) -> None:
    router.floor.agents["dora"].hold(router.floor.items["rings"])


def offer_without_a_timer(router: Router) -> None:
    router.floor.timers._heap.clear()


def timer_without_a_cause(router: Router) -> None:
    router.floor.items["waits"].pauses["dora"] = START


def item_in_two_places(router: Router) -> None:
    router.floor.items["waits"].owner = "bert"


def item_lost_from_its_line(router: Router) -> None:
    router.floor.lines["billing"].waiting.remove(router.floor.items["waits"].entry)


def item_lost_from_its_bucket(router: Router) -> None:
    record = router.floor.items["waits"]
    record.bucket.waiting.remove(record.entry)


def item_that_nobody_knows(router: Router) -> None:
    del router.floor.items["waits"]


def place_without_an_offer(router: Router) -> None:
    router.floor.items["rings"].offer = None


def key_that_moved(router: Router) -> None:
    router.floor.items["waits"].entry = (START - MINUTE, "waits", router.floor.items["waits"])


def offer_beyond_capacity(router: Router) -> None:
    router.floor.agents["anna"].hold(router.floor.items["served"])


def offer_to_somebody_away(router: Router) -> None:
    router.floor.agents["anna"].ready = False


def offer_to_somebody_without_the_queue(router: Router) -> None:
    anna = router.floor.agents["anna"]
    router.floor.buckets.enrol(anna, c.AgentReady(ready("anna", queues=frozenset()).agent, START).agent)


def members_not_told(router: Router) -> None:
    del router.floor.items["waits"].bucket.members["dora"]


def load_miscounted(router: Router) -> None:
    bert = router.floor.agents["bert"]
    bert.room = bert.room.plus("phone")


def place_changed(router: Router) -> None:
    router.floor.items["waits"].place = Place.PARKED


def head_forgotten(router: Router) -> None:
    router.floor.buckets.heads[router.floor.items["waits"].bucket.number] = (START - 1, "x", None)


def unroutable_misjudged(router: Router) -> None:
    router.floor.items["waits"].unroutable = True


def wrap_up_prolonged(router: Router) -> None:
    router.floor.items["wrapping"].until += SECOND


def benched_and_ready(router: Router) -> None:
    router.floor.agents["bert"].benched_by = "x.1"


@pytest.mark.parametrize(
    "plant",
    [
        ready_unseen,
        listed_without_room,
        two_agents_ring_for_one_item,
        offer_without_a_timer,
        timer_without_a_cause,
        item_in_two_places,
        item_lost_from_its_line,
        item_lost_from_its_bucket,
        item_that_nobody_knows,
        place_without_an_offer,
        key_that_moved,
        offer_beyond_capacity,
        offer_to_somebody_away,
        offer_to_somebody_without_the_queue,
        members_not_told,
        load_miscounted,
        place_changed,
        head_forgotten,
        unroutable_misjudged,
        wrap_up_prolonged,
        benched_and_ready,
    ],
    ids=lambda plant: plant.__name__,
)
def test_a_planted_fault_is_found(plant: Callable[[Router], None]) -> None:
    router = scene()
    plant(router)
    with pytest.raises(AssertionError, match=r"\w"):
        check(router)


def test_somebody_idle_while_an_item_waits_is_found() -> None:
    router = scene()
    dora = router.floor.agents["dora"]
    dora.ready, dora.reason = True, None
    roster.list_idle(router.floor, dora, roster.open_media(router.floor, dora))
    with pytest.raises(AssertionError, match="dora idles while waits"):
        check(router)


def test_a_rebuilt_router_is_checked_after_its_first_tick() -> None:
    router = Router.rebuild(POLICY, START, waiting=[(item("call"), 0)])
    with pytest.raises(AssertionError, match="after its first tick"):
        check(router)
    router.apply(c.Tick(), START)
    check(router)
