"""How much an agent may have at once: what is offered, served or in wrap-up weighs one each."""

from collections.abc import Mapping


def has_room(
    capacity: Mapping[str, int], load: Mapping[str, int], medium: str, exclusive: frozenset[str]
) -> bool:
    """Whether one more item of `medium` fits beside `load`, the number of items held per medium (no zeros).

    An item of an exclusive medium goes with nothing else, neither as the newcomer nor as the one there.
    """
    if load.get(medium, 0) >= capacity.get(medium, 0):
        return False
    return not load if medium in exclusive else exclusive.isdisjoint(load)


def open_media(
    capacity: Mapping[str, int], load: Mapping[str, int], exclusive: frozenset[str]
) -> tuple[str, ...]:
    """The media of which one more item fits."""
    return tuple(medium for medium in capacity if has_room(capacity, load, medium, exclusive))
