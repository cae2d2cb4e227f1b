"""How much an agent may have at once: what is offered, served or in wrap-up weighs one each."""

from collections.abc import Mapping
from typing import Final

from routing.model import Agent, Policy

OVERRIDE: Final = "*"  # the medium as which an item comes that needs no room


NOTHING: Final[Mapping[str, int]] = {}


def has_room(
    capacity: Mapping[str, int],
    load: Mapping[str, int],
    medium: str,
    exclusive: frozenset[str],
    *,
    interrupts: frozenset[str] = frozenset(),
    weights: Mapping[str, int] = NOTHING,
    units: int | None = None,
) -> bool:
    """Whether one more item of `medium` fits beside `load`, the number of items held per medium (no zeros).

    An item of an exclusive medium goes with nothing else, neither as the newcomer nor as the one there. What it may
    interrupt does not count for that, nor for the `units` that all items together may weigh (None: any).
    """
    if load.get(medium, 0) >= capacity.get(medium, 0):
        return False
    beside = {held: number for held, number in load.items() if held not in interrupts}
    if (medium in exclusive and beside) or not exclusive.isdisjoint(beside):
        return False
    if units is None:
        return True
    used = sum(weights.get(held, 1) * number for held, number in beside.items())
    return used + weights.get(medium, 1) <= units


def most_of(agent: Agent, medium: str, weights: Mapping[str, int]) -> int:
    """How many items of a medium the agent may have at once who has nothing else."""
    most, weight = agent.capacity.get(medium, 0), weights.get(medium, 1)
    return most if agent.units is None or weight <= 0 else min(most, agent.units // weight)


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

    __slots__ = ("_agent", "_policy", "_rooms")

    def __init__(self, agent: Agent, policy: Policy) -> None:
        self._agent = agent  # one of those with this capacity
        self._policy = policy
        self._rooms: dict[tuple[tuple[str, int], ...], Room] = {}

    def room(self, load: Mapping[str, int]) -> Room:
        """`load`: medium, number of items held, no zeros."""
        name = tuple(sorted(load.items()))
        found = self._rooms.get(name)
        if found is None:
            found = self._rooms[name] = Room(self, load)
        return found

    def open_beside(self, load: Mapping[str, int]) -> tuple[str, ...]:
        return tuple(each for each in self._agent.capacity if self.fits(load, each))

    def fits(self, load: Mapping[str, int], medium: str) -> bool:
        policy = self._policy
        return has_room(
            self._agent.capacity,
            load,
            medium,
            policy.exclusive,
            interrupts=policy.interrupts.get(medium, frozenset()),
            weights=policy.weights,
            units=self._agent.units,
        )
