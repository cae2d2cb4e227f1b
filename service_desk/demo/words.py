"""What people are called and say, per language: the TOML files beside this module."""

import tomllib
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from service_desk.clock import SECOND, Micros
from service_desk.demo.chance import Random

LANGUAGES = ("en", "de", "es")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MAIL_HOSTS = ("example.com", "example.org", "example.net")
PLAIN = str.maketrans(
    {
        "ä": "ae",
        "ö": "oe",
        "ü": "ue",
        "ß": "ss",
        "ç": "c",
        "\N{LATIN SMALL LETTER DOTLESS I}": "i",
        "á": "a",
        "é": "e",
        "í": "i",
        "ó": "o",
        "ú": "u",
        "ñ": "n",
    }
)
"""Names as mail addresses have them."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Names(_Part):
    """What people and firms may be called, and remarks about them."""

    first: list[str]
    last: list[str]
    companies: list[str]
    remarks: list[str]


class NumberRange(_Part):
    """`count` numbers from `first` on, all kept free for fiction by the regulator; and their time zone."""

    first: str
    count: int
    zone: str


class Scenario(_Part):
    """One reason to get in touch. `talk` alternates: customer, agent, customer, ..."""

    queue: str
    appliances: list[str]
    subject: str
    problem: str
    talk: list[str]
    note: str
    comment: str
    outcome: str
    result: str
    only: str | None = None


class Language(_Part):
    """One language's people and conversations. `skill` is what an agent needs to speak it."""

    code: str
    skill: str
    names: Names
    numbers: list[NumberRange]
    appliances: dict[str, str]
    scenarios: list[Scenario]


@cache
def language(code: str) -> Language:
    """The language of a code in LANGUAGES."""
    text = Path(__file__).with_name(f"{code}.toml").read_text(encoding="utf-8")
    return Language.model_validate(tomllib.loads(text))


def amount(code: str, random: Random) -> str:
    """A sum of money as the language writes it."""
    units, cents = random.randrange(29, 1_490), random.choice((0, 50, 90, 95))
    return {
        "en": f"${units}.{cents:02d}",
        "de": f"{units},{cents:02d} €",
        "es": f"{units},{cents:02d} $",
    }[code]


def short_day(code: str, instant: Micros) -> str:
    """A day as people say it, without the year."""
    moment = datetime.fromtimestamp(instant // SECOND, UTC)
    return {
        "en": f"{moment.day} {MONTHS[moment.month - 1]}",
        "de": f"{moment.day}.{moment.month}.",
        "es": f"{moment.day}/{moment.month}",
    }[code]
