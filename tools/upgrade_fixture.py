"""Makes the backup that later releases prove their upgrade by: tests/fixtures/upgrade/VERSION.backup.

A small invented past, then some traffic of the demo's robots on top, so that every table of a desk that works has
rows, in states that only a living desk has. To be run once for each release, before it is tagged:

    .venv/bin/python tools/upgrade_fixture.py
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from service_desk import __version__
from service_desk.actions import admin
from service_desk.app import read_config_seed
from service_desk.clock import SystemClock
from service_desk.demo.past import Size
from service_desk.demo.seed import hash_passwords, seed_demo
from service_desk.storage.store import Store, migrate

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "tests" / "fixtures" / "upgrade"
SMALL = Size(customers=40, tickets=30, days=20, contacts=60, hotel_contacts=20, night_chats=3)
SEED = 7
TRAFFIC_S = 75
CUSTOMERS_PER_MINUTE = 30
MOST_BYTES = 400_000


def main() -> None:
    """Seed, let it live, back it up."""
    target = FOLDER / f"{__version__}.backup"
    target.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "var").mkdir()
        url = f"sqlite:///{folder}/var/demo.sqlite3"
        _seed(url)
        _let_it_live(Path(folder))
        _desk(Path(folder), "backup", str(target), SERVICE_DESK_DATABASE_URL=url)
    size = target.stat().st_size
    if size > MOST_BYTES:
        sys.exit(f"{target} has {size:,} bytes; at most {MOST_BYTES:,} belong into the repository")
    target.chmod(0o644)  # invented people: it is in the repository for everybody
    print(f"{target.relative_to(ROOT)}: {size:,} bytes")


def _seed(url: str) -> None:
    migrate(url)
    store = Store(url, SystemClock())
    try:
        store.run(admin.seed, read_config_seed())
        store.run(seed_demo, SEED, hash_passwords(), SMALL)
    finally:
        store.close()


def _let_it_live(folder: Path) -> None:
    """The demo goes on where the past ends, and is interrupted in the middle of its work."""
    command = [sys.executable, "-c", "from service_desk.cli import main; main()", "demo", "--port", "0"]
    command += ["--traffic", str(CUSTOMERS_PER_MINUTE)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=folder, env=environment)
    try:
        process.wait(TRAFFIC_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    else:
        sys.exit("the demo has ended by itself")


def _desk(folder: Path, *arguments: str, **settings: str) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "SERVICE_DESK_VAR_DIR": str(folder / "var"),
        **settings,
    }
    command = [sys.executable, "-c", "from service_desk.cli import main; main()", *arguments]
    subprocess.run(command, cwd=folder, env=environment, check=True)


if __name__ == "__main__":
    main()
