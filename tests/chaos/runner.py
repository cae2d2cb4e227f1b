"""python -m tests.chaos run: a seeded campaign of faults. Exit code 0: all bars were held and the books are right."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

import uvloop

from tests.chaos.campaign import Setting, campaign, kill_campaign, plan
from tests.chaos.faults import FAULTS


def main(words: list[str]) -> int:
    """The command."""
    arguments = _arguments(words)
    nodes = arguments.nodes if arguments.database == "postgres" else 1
    setting = Setting(arguments.database, nodes, arguments.seed, arguments.backlog)
    replay = f"python -m tests.chaos run --seed {setting.seed} --database {setting.kind} --nodes {nodes}"
    replay += f" --load {arguments.load:g} --backlog {setting.backlog}"
    replay += f" --minutes {arguments.minutes:g}" + "".join(
        f" --scenario {name}" for name in arguments.scenario
    )
    replay += f" --kills {arguments.kills}" if arguments.kills else ""
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="sd-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        playing = _killing if arguments.kills else _faults
        with asyncio.Runner(
            loop_factory=uvloop.new_event_loop
        ) as loop:  # proxies are in it: it must be quick
            missed = loop.run(playing(setting, arguments, folder))
    except BaseException:
        _say(f"the ledger and the logs are in {folder}\nagain: {replay}")
        raise
    for fault in missed:
        _say(f"FAILED {fault}")
    if missed:
        _say(f"the ledger and the logs are in {folder}\nagain: {replay}")
    return 1 if missed else 0


async def _faults(setting: Setting, arguments: argparse.Namespace, folder: Path) -> list[str]:
    steps = plan(setting, arguments.minutes, arguments.scenario)
    _say(f"seed {setting.seed}, {setting.nodes} node(s) on {setting.kind}; the plan:")
    for step in steps:
        _say(f"  {step}")
    report = await campaign(setting, steps, folder, per_second=arguments.load, say=_say)
    _say(f"all was served {report.settled_s:.1f} s after the last customer came")
    return [*report.misses(), *report.findings]


async def _killing(setting: Setting, arguments: argparse.Namespace, folder: Path) -> list[str]:
    _say(f"seed {setting.seed}, {setting.nodes} node(s) on {setting.kind}: {arguments.kills} kills")
    killing, findings = await kill_campaign(
        setting, arguments.kills, folder, per_second=arguments.load, say=_say
    )
    _say(killing.figures())
    return [*killing.misses(), *findings]


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos run", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=1.0, help="at least one fault is played")
    parser.add_argument(
        "--scenario", action="append", default=[], choices=sorted(FAULTS), help="only this; may repeat"
    )
    parser.add_argument("--nodes", type=int, default=2, choices=(1, 2, 3), help="on SQLite it is one")
    parser.add_argument("--database", default="sqlite", choices=("sqlite", "postgres"))
    parser.add_argument(
        "--load", type=float, default=8.0, help="customers a second: calls, texts, mails, chats"
    )
    parser.add_argument(
        "--kills", type=int, default=0, help="instead of a plan: kill so often, also at named points"
    )
    parser.add_argument("--backlog", type=int, default=0, help="contacts that are open all the time")
    parser.add_argument(
        "--folder", type=Path, help="for the ledger, the logs and the database; it must be empty"
    )
    return parser.parse_args(words)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
