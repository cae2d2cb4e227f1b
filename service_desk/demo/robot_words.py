"""What robots say: a scenario of the demo's past played live, and phrases for what no scenario covers."""

import re
import struct
import tomllib
import zlib
from collections.abc import Mapping, Sequence
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


def reply_in(text: str, random: Random, now: Micros, first: str) -> Reply | None:
    """Like `reply_to`, for a mail: one of its paragraphs is such a line."""
    replies = (reply_to(part.strip(), random, now, first) for part in text.split("\n\n"))
    return next((reply for reply in replies if reply is not None), None)


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
    """Whether somebody says goodbye with one of our phrases, in a mail as one of its paragraphs."""
    parts = {part.strip() for part in text.split("\n\n")}
    return any(not parts.isdisjoint(phrases(code)["thanks"]) for code in LANGUAGES)


def letter(code: str, random: Random, first: str, lines: Sequence[str], sender: str) -> str:
    """A mail's text around its lines: a greeting, by the first name if there is one, and the writer's name."""
    words = phrases(code)
    greeting = random.choice(words["dear"]).format(first=first) if first else random.choice(words["hello"])
    above = [] if _greets(lines[0], words, first) else [greeting]
    return "\n\n".join([*above, *lines, f"{random.choice(words['close'])}\n{sender}"])


def _greets(line: str, words: Mapping[str, list[str]], first: str) -> bool:
    """Whether a line greets by itself."""
    begins = line.startswith(tuple(each.rstrip(",:").split(" ")[0] for each in words["hello"]))
    return begins or (first != "" and first in line[:40])


def photo(random: Random) -> bytes:
    """A small picture, as a customer's telephone would take one of a bright door in a dark room: PNG."""
    width, height = 96, 64
    dark, bright = ([random.randrange(low, low + 80) for _ in range(3)] for low in (20, 170))
    left = random.randrange(10, 50)
    line = b"\0" + b"".join(bytes(bright if left <= x < left + 30 else dark) for x in range(width))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(line * height)), (b"IEND", b""))
    chunks = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def typing_s(text: str) -> float:
    """Seconds that writing a text takes, thinking included."""
    return 2.0 + len(text) / 18
