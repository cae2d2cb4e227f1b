"""Small centres for tests."""

from dataclasses import replace
from typing import Any

from routing import decisions as d
from routing.simulation.centre import Centre
from routing.simulation.scenario import ContactType, Group, Patience, Queue, Scenario
from routing.simulation.streams import Duration
from routing.simulation.tally import Day

HOUR = 3600.0


def team(*heads: int, **changes: Any) -> Group:
    return replace(Group("team", heads, frozenset({"calls"})), **changes)


def calls(per_s: float, day_s: float, **changes: Any) -> ContactType:
    return replace(ContactType("call", "calls", (per_s * day_s,), Duration(120)), **changes)


def one_queue(
    agents: int, load: float, handling_s: float, patience_s: float | None, within_s: float, **changes: Any
) -> Scenario:
    """One kind of contact and one team, the formulas' world, for a long day with an hour of warm-up."""
    day_s = changes.pop("hours", 12) * HOUR
    patience = Patience(Duration(patience_s) if patience_s else None)
    kind = calls(load / handling_s, day_s, handling=Duration(handling_s), patience=patience)
    given: dict[str, Any] = {"warm_up_s": HOUR, "replications": 10, **changes}
    return Scenario(
        "one queue", (Queue("calls", within_s=within_s),), (kind,), (team(agents),), day_s, 1, **given
    )


def lived(scenario: Scenario, day: int = 0) -> tuple[Day, list[tuple[d.Decision, int]]]:
    """The day with all decisions and their times."""
    seen: list[tuple[d.Decision, int]] = []
    done = Centre(scenario, day, lambda decision, at: seen.append((decision, at))).run()
    return done, seen
