"""Spaces what begins at each account of a provider that takes so many a second: one turn after the other."""

from collections.abc import Mapping

from service_desk.clock import SECOND, Micros


class Turns:
    """The next turn of each account, by the desk's clock.

    `per_second`: how many a second an account may begin; 0, and an account that is not named, has a turn at any time.
    The first turns come a whole space after the start: whoever did this before may have begun one in that moment.
    """

    def __init__(self, per_second: Mapping[str, float], now: Micros) -> None:
        self._spaces = {account: round(SECOND / rate) for account, rate in per_second.items() if rate > 0}
        self._next = {account: now + space for account, space in self._spaces.items()}

    def closed(self, now: Micros) -> dict[str, Micros]:
        """The accounts whose turn has not come, and when it comes. A clock that steps back holds up nobody."""
        for account, space in self._spaces.items():
            self._next[account] = min(self._next[account], now + space)
        return {account: at for account, at in self._next.items() if at > now}

    def take(self, account: str, now: Micros) -> bool:
        """Begin one now, if its turn has come."""
        if account not in self._spaces:
            return True
        if self._next[account] > now:
            return False
        self._next[account] = now + self._spaces[account]
        return True
