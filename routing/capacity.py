"""How much an agent may have at once: what is offered, served or in wrap-up weighs one each."""

from collections.abc import Mapping
from typing import Final

OVERRIDE: Final = "*"  # the medium as which an item comes that needs no room


def has_room(
    capacity: Mapping[str, int], load: Mapping[str, int], medium: str, exclusive: frozenset[str]
) -> bool:
    """Whether one more item of `medium` fits beside `load`, the number of items held per medium (no zeros).

    An item of an exclusive medium goes with nothing else, neither as the newcomer nor as the one there.
    """
    if load.get(medium, 0) >= capacity.get(medium, 0):
        return False
    return not load if medium in exclusive else exclusive.isdisjoint(load)


class Room:
    """What an agent holds, and of which media one more item fits beside it.

    Agents with the same capacity who hold the same share one: there are few of them, each is worked out once, and
    taking or letting go of an item is a step from one to the next.
    """

    __slots__ = ("_minus", "_plus", "_rooms", "load", "open")

    def __init__(self, rooms: "Rooms", load: Mapping[str, int]) -> None:
        self._rooms = rooms
        self._plus: dict[str, Room] = {}
        self._minus: dict[str, Room] = {}
        self.load = load
        self.open = rooms.open_beside(load)

    def plus(self, medium: str) -> "Room":
        found = self._plus.get(medium)
        if found is None:
            load = {**self.load, medium: self.load.get(medium, 0) + 1}
            found = self._plus[medium] = self._rooms.room(load)
        return found

    def minus(self, medium: str) -> "Room":
        """KeyError if there is nothing of it."""
        found = self._minus.get(medium)
        if found is None:
            load = {**self.load, medium: self.load[medium] - 1}
            found = self._minus[medium] = self._rooms.room({each: n for each, n in load.items() if n})
        return found


class Rooms:
    """All rooms of one capacity under one version of the rules."""

    __slots__ = ("_capacity", "_exclusive", "_rooms")

    def __init__(self, capacity: Mapping[str, int], exclusive: frozenset[str]) -> None:
        self._capacity = capacity
        self._exclusive = exclusive
        self._rooms: dict[tuple[tuple[str, int], ...], Room] = {}

    def room(self, load: Mapping[str, int]) -> Room:
        """`load`: medium, number of items held, no zeros."""
        name = tuple(sorted(load.items()))
        found = self._rooms.get(name)
        if found is None:
            found = self._rooms[name] = Room(self, load)
        return found

    def open_beside(self, load: Mapping[str, int]) -> tuple[str, ...]:
        return tuple(each for each in self._capacity if self.fits(load, each))

    def fits(self, load: Mapping[str, int], medium: str) -> bool:
        return has_room(self._capacity, load, medium, self._exclusive)
