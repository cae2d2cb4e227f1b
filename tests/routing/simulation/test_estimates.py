"""The expected wait is right: told to customers of a simulated centre, and compared with how long they then waited.

Customers who never give up tell how long the wait really is (the others' waits are cut short by their patience). They
are so few that they change nothing for the rest.
"""

from statistics import fmean

import pytest

from routing import commands as c
from routing.model import SECOND
from routing.simulation.centre import Centre
from routing.simulation.people import Contact
from routing.simulation.scenario import ContactType, Group, Patience, Queue, Scenario
from routing.simulation.streams import Duration

AGENTS, HANDLING_S = 10, 120.0
SEED = 5


class Telling(Centre):
    """Tells each patient customer who has to wait what to expect, and for comparison the age of the first in line."""

    def __init__(self, scenario: Scenario) -> None:
        super().__init__(scenario, 0)
        self.told: dict[str, tuple[float, float]] = {}
        self.waited: dict[str, float] = {}

    def _tell(self, command: c.Command) -> None:
        super()._tell(command)
        if isinstance(command, c.WorkQueued) and command.item.id.startswith("patient"):
            self._expect(command.item.id)
        elif isinstance(command, c.OfferAccepted) and command.item in self.told:
            contact: Contact = self._contacts[command.item]
            self.waited[command.item] = (self.now - contact.arrived) / SECOND

    def _expect(self, name: str) -> None:
        estimate = self.router.estimate(name)
        oldest = self.router.waiting("calls").oldest
        if estimate is None or self.now < self.counts_from:
            return
        assert estimate.basis == "model"
        assert estimate.wait is not None
        assert oldest is not None
        self.told[name] = (estimate.wait / SECOND, (self.now - oldest) / SECOND)


def centre(per_hour: float, patience_s: float, medium: str = "phone", places: int = 1) -> Scenario:
    def kind(name: str, share: float, patience: Patience) -> ContactType:
        return ContactType(
            name,
            "calls",
            arrivals=(per_hour * share,) * 40,
            handling=Duration(HANDLING_S),
            patience=patience,
            medium=medium,
        )

    return Scenario(
        name="estimates",
        queues=(Queue("calls"),),
        contacts=(
            kind("usual", 0.95, Patience(Duration(patience_s))),
            kind("patient", 0.05, Patience()),
        ),
        groups=(
            Group(
                "team",
                heads=(AGENTS // places,) * 40,
                queues=frozenset({"calls"}),
                capacity={medium: places},
            ),
        ),
        interval_s=3600.0,
        intervals=40,
        warm_up_s=2 * 3600.0,
        replications=1,
        seed=SEED,
    )


@pytest.mark.parametrize(
    ("per_hour", "patience_s", "medium", "places"),
    [
        (360.0, 120.0, "phone", 1),  # 120 % load: those who give up keep the line short
        (330.0, 600.0, "phone", 1),  # 110 %, patient people: a long line
        (360.0, 120.0, "chat", 2),  # agents who have two at a time
    ],
)
def test_what_customers_are_told_is_what_they_wait(
    per_hour: float, patience_s: float, medium: str, places: int
) -> None:
    played = Telling(centre(per_hour, patience_s, medium, places))
    played.run()
    pairs = [(*played.told[name], waited) for name, waited in played.waited.items()]
    assert len(pairs) > 250, f"seed {SEED}"
    told, waited = fmean(pair[0] for pair in pairs), fmean(pair[2] for pair in pairs)
    assert told == pytest.approx(waited, rel=0.12), f"seed {SEED}: told {told:.1f} s, waited {waited:.1f} s"
    error = fmean((pair[0] - pair[2]) ** 2 for pair in pairs)
    by_head = fmean((pair[1] - pair[2]) ** 2 for pair in pairs)
    assert error < by_head, f"seed {SEED}: better than the age of the first in line"
