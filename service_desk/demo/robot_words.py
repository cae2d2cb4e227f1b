"""What robots say: a scenario of the demo's past played live, and phrases for what no scenario covers."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from service_desk.clock import DAY, Micros
from service_desk.demo.chance import Random
from service_desk.demo.words import LANGUAGES, Scenario, amount, language, short_day

PLACE = re.compile(r"\\\{(\w+)\\\}")
"""A place like {serial} in a text that went through re.escape."""


SHAPES = {"serial": r"AA-[0-9]{2}-[0-9]{6}", "order": r"SO-[0-9]{5}", "invoice": r"INV-[0-9]{6}"}
ANY_SHAPE = r".{1,80}?"


@dataclass(frozen=True, slots=True)
class Reply:
    """What an agent answers to a line of a customer; `last` if nothing follows in the scenario."""

    language: str
    text: str
    scenario: Scenario
    last: bool


@cache
def phrases(code: str) -> Mapping[str, list[str]]:
    """By occasion, in a language; in English where we do not speak it."""
    text = Path(__file__).with_name("robots.toml").read_text(encoding="utf-8")
    known: Mapping[str, Mapping[str, list[str]]] = tomllib.loads(text)
    return known.get(code, known["en"])


def facts(code: str, scenario: Scenario, random: Random, now: Micros, first: str) -> dict[str, str]:
    """Invented values for the places in a scenario's texts."""
    kind = random.choice(scenario.appliances)
    return {
        "appliance": language(code).appliances[kind],
        "serial": f"AA-{random.randrange(10, 99)}-{random.randrange(100_000, 999_999)}",
        "order": f"SO-{random.randrange(20_000, 90_000)}",
        "invoice": f"INV-{random.randrange(100_000, 190_000)}",
        "amount": amount(code, random),
        "day": short_day(code, now - random.randint(1, 9) * DAY),
        "first": first,
        "name": first,
        "house": "York",
    }


def scenario_for(code: str, queue: str | None, random: Random) -> Scenario:
    """A reason to get in touch, of a queue if there is one."""
    open_to_all = [each for each in language(code).scenarios if each.only is None]
    fitting = [each for each in open_to_all if each.queue == queue]
    return random.choice(fitting or open_to_all)


def reply_to(text: str, random: Random, now: Micros, first: str) -> Reply | None:
    """The scenario's next line after a customer's line that came out of it, with its places filled."""
    for pattern, code, scenario, at in _customer_lines():
        found = pattern.fullmatch(text)
        if found is None:
            continue
        values = facts(code, scenario, random, now, first) | found.groupdict()
        last = at + 2 >= len(scenario.talk)
        words = scenario.talk[at + 1] if at + 1 < len(scenario.talk) else ""
        return Reply(code, words.format_map(values), scenario, last)
    return None


@cache
def _customer_lines() -> list[tuple[re.Pattern[str], str, Scenario, int]]:
    """Every line that customers say in scenarios, as a pattern, with its place."""
    return [
        (_pattern(scenario.talk[at]), code, scenario, at)
        for code in LANGUAGES
        for scenario in language(code).scenarios
        if scenario.only is None
        for at in range(0, len(scenario.talk), 2)
    ]


def _pattern(template: str) -> re.Pattern[str]:
    """The template as a pattern; a place that comes again must hold the same."""
    seen = set[str]()

    def group(found: re.Match[str]) -> str:
        name = found[1]
        if name in seen:
            return f"(?P={name})"
        seen.add(name)
        return f"(?P<{name}>{SHAPES.get(name, ANY_SHAPE)})"

    return re.compile(PLACE.sub(group, re.escape(template)))


def is_thanks(text: str) -> bool:
    """Whether somebody says goodbye with one of our phrases."""
    return any(text in phrases(code)["thanks"] for code in LANGUAGES)


def typing_s(text: str) -> float:
    """Seconds that writing a text takes, thinking included."""
    return 2.0 + len(text) / 18
