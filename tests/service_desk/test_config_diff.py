"""Differences of documents: complete, empty only for equals, and named as people name the parts."""

from copy import deepcopy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from service_desk.domain.config_diff import Difference, differences
from tests.service_desk.web.world import CONFIG

VALUES = st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2)
NAMED = st.dictionaries(st.sampled_from("abc"), st.integers(0, 2), max_size=3).map(
    lambda found: [{"id": name, "value": value} for name, value in found.items()]
)
DOCUMENTS = st.recursive(
    VALUES, lambda inner: NAMED | st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner)
)


def changed(**queue: Any) -> list[Difference]:
    after = deepcopy(CONFIG)
    after["queues"][0] |= queue
    return list(differences(CONFIG, after))


def test_a_value_is_named_by_its_parts() -> None:
    first = CONFIG["queues"][0]
    assert changed(priority=7) == [
        Difference(f"queues.{first['id']}.priority", "changed", first.get("priority"), 7)
        if "priority" in first
        else Difference(f"queues.{first['id']}.priority", "added", None, 7)
    ]


def test_a_part_that_came_and_one_that_went() -> None:
    after = deepcopy(CONFIG)
    gone = after["queues"].pop()
    after["queues"].append({**gone, "id": "another"})
    assert [(one.path, one.kind) for one in differences(CONFIG, after)] == [
        ("queues.another", "added"),
        (f"queues.{gone['id']}", "removed"),
    ]


def test_another_order_alone_is_a_difference() -> None:
    after = deepcopy(CONFIG)
    after["queues"].reverse()
    assert [one.path for one in differences(CONFIG, after)] == ["queues.(order)"]


@given(DOCUMENTS, DOCUMENTS)
def test_only_equals_do_not_differ(one: Any, other: Any) -> None:
    assert (list(differences(one, other)) == []) is (one == other)
