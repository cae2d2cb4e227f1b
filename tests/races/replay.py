"""Plays one simulated race again:  python -m tests.races.replay SEED RACE"""

import sys
import tempfile

from service_desk.storage.store import migrate
from tests.races.simulated import Simulation, starts


def main(seed: int, number: int) -> None:
    """Say how it ended, and what was wrong with it."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/desk.sqlite3"
        migrate(url)
        seen = Simulation(starts(url), seed).run([number])
    for race, ending in seen.outcomes:
        sys.stdout.write(f"{race}: {ending}; {seen.statements} statements, {seen.deadlocks} deadlocks\n")
    sys.stdout.write("\n".join([*seen.faults, ""]))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
