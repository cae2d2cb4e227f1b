"""Lines against a plain sorted list."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routing import waiting
from routing.waiting import Entry, Line

entries = st.tuples(st.integers(-50, 50), st.sampled_from("abc"))


@pytest.fixture(autouse=True, scope="module")
def short_blocks() -> object:
    """Blocks of 4, so that few entries split and drop them."""
    before = waiting.BLOCK
    waiting.BLOCK = 4
    yield
    waiting.BLOCK = before


@given(st.lists(st.tuples(st.booleans(), entries), max_size=200))
def test_a_line_is_a_sorted_list(steps: list[tuple[bool, Entry]]) -> None:
    line, plain = Line(), list[Entry]()
    for add, entry in steps:
        assert line.rank(entry) == sum(other < entry for other in plain)
        if entry in plain:
            assert line.remove(entry) == plain.index(entry)
            plain.remove(entry)
        elif add:
            line.add(entry)
            plain = sorted([*plain, entry])
        else:
            with pytest.raises(ValueError, match="not in the line"):
                line.remove(entry)
        assert list(line) == plain
        assert len(line) == len(plain)
        assert line.head == (plain[0] if plain else None)


def test_a_long_line_drains_from_both_ends() -> None:
    line = Line()
    everybody = [(number, "x") for number in range(1000)]
    for entry in everybody:
        line.add(entry)
    for low, high in zip(everybody[:500], reversed(everybody[500:]), strict=True):
        assert line.head == low
        assert line.remove(high) == len(line)
        assert line.remove(low) == 0
    assert line.head is None
    line.add((7, "again"))
    assert line.head == (7, "again")
