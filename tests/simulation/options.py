"""What makes a run of the simulation."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """What makes a run; the same options give the same run."""

    seed: int
    hours: float = 3.0
    agents: int = 12
    nodes: int = 1
    per_hour: float = 200.0
    """Contacts that begin."""
    faults: bool = True
    fault_every_s: float = 240.0
    """Mean time between two faults."""
    until_s: float | None = None
    """Stop there, with what is known then."""
    trace_from_s: float | None = None
    """From there everything that the desk logs is printed."""

    @property
    def command(self) -> str:
        """What runs it again."""
        words = (
            f"--seed {self.seed} --hours {self.hours:g} --agents {self.agents} --nodes {self.nodes}",
            f"--per-hour {self.per_hour:g} --fault-every {self.fault_every_s:g}",
            *(() if self.faults else ("--no-faults",)),
        )
        return " ".join(("python -m tests.simulation", *words))
