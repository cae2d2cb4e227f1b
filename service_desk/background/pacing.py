"""Paces what begins at each account of a provider that takes so many a second: one turn after the other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from service_desk.clock import SECOND, Micros


@dataclass(slots=True)
class _Pace:
    """Of one account, in microseconds: from one turn to the next, and when the next comes."""

    space: Micros
    next_at: Micros
    is_out: bool = False
    """Whether somebody holds its turn."""


class Turn:
    """The right to begin one thing at an account, which has no other turn while somebody holds it.

    Whoever holds it enters it. What was not used by the end is given back as if it had never been taken: whoever comes
    next needs not wait, and nothing began in this space.
    """

    def __init__(self, pace: _Pace, wanted_since: Micros, moved: Callable[[], None]) -> None:
        self._pace = pace
        self._wanted_since = wanted_since
        self._moved = moved
        self._is_held = pace.is_out = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._release()

    def use(self, now: Micros) -> None:
        """It begins in this moment. Once.

        The next turn is a space after the instant at which this one could have been used. So a wake or a commit that
        comes late does not slow the pace, and however late it comes, one at most is made up for.
        """
        due_at = max(self._pace.next_at, self._wanted_since)
        self._pace.next_at = max(due_at + self._pace.space, now)
        self._release()
        self._moved()

    def _release(self) -> None:
        if self._is_held:
            self._is_held = self._pace.is_out = False


class Turns:
    """The turns of all accounts, by the desk's clock.

    `per_second`: how many a second an account may begin; 0, and an account that is not named, has a turn at any time.
    `moved` is called when a turn was used, which is when it becomes known when the next one comes.
    The first turns come a whole space after the start: whoever did this before may have begun one in that moment.
    """

    def __init__(self, per_second: Mapping[str, float], now: Micros, moved: Callable[[], None]) -> None:
        spaces = {account: round(SECOND / rate) for account, rate in per_second.items() if rate > 0}
        self._paces = {account: _Pace(space, now + space) for account, space in spaces.items()}
        self._moved = moved

    def closed(self, now: Micros) -> set[str]:
        """The accounts whose turn has not come, or is out. A clock that steps back holds up nobody."""
        for pace in self._paces.values():
            pace.next_at = min(pace.next_at, now + pace.space)
        return {account for account, pace in self._paces.items() if pace.is_out or pace.next_at > now}

    def next_at(self, now: Micros) -> Micros | None:
        """When the first of the turns comes that have not; None if none is awaited."""
        coming = [pace.next_at for pace in self._paces.values() if not pace.is_out and pace.next_at > now]
        return min(coming, default=None)

    def take(self, account: str, wanted_since: Micros, now: Micros) -> Turn | None:
        """The account's turn, for what could have begun since `wanted_since`; None if it has not come, or is out."""
        pace = self._paces.get(account)
        if pace is None:
            return Turn(_Pace(0, now), wanted_since, self._moved)
        if pace.is_out or pace.next_at > now:
            return None
        return Turn(pace, wanted_since, self._moved)
