"""The router leaves no circle of objects behind for each item: its process may run without the cyclic collector.

New rules leave a few, the rooms of the old ones.
"""

import gc

from routing import commands as c
from routing.model import WorkItem
from routing.records import ItemRecord
from routing.router import Router
from tests.routing.centre import POLICY, Centre
from tests.routing.worlds import START


def test_a_long_history_leaves_nothing_to_collect() -> None:
    """What is ended is freed at once, though the entries of lines hold their records."""
    centre = Centre(seed=21, agents=6)  # has a router of its own, which stays
    history = list(centre.history(400))
    gc.collect()
    gc.disable()
    try:
        router = Router(POLICY)
        for command, now in history:
            router.apply(command, now)
        for item in list(router.floor.items):
            router.apply(c.WorkEnded(item), START)
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        left = [each for each in gc.garbage if isinstance(each, ItemRecord | WorkItem)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert left == []
    assert centre.router is not router
