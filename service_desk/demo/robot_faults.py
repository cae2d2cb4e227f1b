"""What the robots' log says of trouble: each fault once, however many of them meet it and however often."""

import structlog

KINDS_MOST = 200
"""Different faults remembered at most; beyond that nothing new is said until things go well again."""

log = structlog.get_logger(__name__)


class Faults:
    """One for all robots of a process. A fault is new again after it was over."""

    def __init__(self) -> None:
        self._met: dict[tuple[str, ...], int] = {}

    def lost(self, error: Exception) -> None:
        """The desk cannot be reached, or went away."""
        if self._is_new("lost"):
            log.warning("the desk cannot be reached; the robots try again until it can", reason=str(error))

    def refused(self, problem: Exception) -> None:
        """The desk said no: part of life where several want the same."""
        if self._is_new("refused", str(problem)):
            log.info("robot refused", reason=str(problem))

    def stumbled(self, error: Exception) -> None:
        """A fault of the robots' own."""
        if self._is_new("stumbled", type(error).__name__, str(error)):
            log.error("robot stumbled", exc_info=error)

    def connected(self) -> None:
        """One of them has the desk: a loss is over."""
        times = self._met.pop(("lost",), 0)
        if times:
            log.warning("the robots have the desk again", tries=times)

    def _is_new(self, *fault: str) -> bool:
        met = self._met.get(fault, 0)
        if met == 0 and len(self._met) >= KINDS_MOST:
            return False
        self._met[fault] = met + 1
        return met == 0
