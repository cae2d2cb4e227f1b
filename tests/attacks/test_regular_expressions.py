"""No pattern of ours takes longer than its text is long: one long word in a mail must not hold up everybody.

Every compiled pattern of every module meets texts that are made of one or two characters, again and again, with an end
that does not fit. A pattern that goes back over the text from each of its places needs sixteen times as long for a text
of four times the length; one that is in order needs four times as long.
"""

import importlib
import itertools
import pkgutil
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

import channels
import routing
import service_desk

SHORT, LONG = 1_000, 4_000
QUICK_S = 0.005
"""So long a text of the longer kind may take whatever the shorter one took."""
GROWTH = 9.0
"""Between the four of a pattern in order and the sixteen of one that goes back."""
PIECES = [*"aé漢0 \t\n-_.,:;'\"()<>/=@&%\\+[]{}?#*\u0301", "\r\n"]
ENDS = ("", "!", "\x00")
MIXED = ("a", "0", " ", "-", ".", ",", "=", "<", '"', "\n")


def _patterns() -> Iterator[tuple[str, re.Pattern[Any]]]:
    for package in (channels, routing, service_desk):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if ".migrations." in module.name or module.name.endswith("__main__"):
                continue
            for name, value in vars(importlib.import_module(module.name)).items():
                if isinstance(value, re.Pattern):
                    yield f"{module.name}.{name}", value


PATTERNS = {pattern.pattern: (name, pattern) for name, pattern in _patterns()}


def _texts(characters: int) -> Iterator[str]:
    for piece, end in itertools.product(PIECES, ENDS):
        yield piece * (characters // len(piece)) + end
    for one, other in itertools.permutations(MIXED, 2):
        yield (one + other) * (characters // len(one + other)) + "!"


def _seconds(pattern: re.Pattern[Any], text: str) -> float:
    given = text.encode() if isinstance(pattern.pattern, bytes) else text
    started = time.thread_time()  # of the processor, so that a busy machine makes no pattern slow
    for _ in pattern.finditer(given):
        pass
    return time.thread_time() - started


@pytest.mark.parametrize("name", sorted(name for name, _ in PATTERNS.values()))
def test_time_grows_as_the_text(name: str) -> None:
    pattern = next(found for found_name, found in PATTERNS.values() if found_name == name)
    for short, long in zip(_texts(SHORT), _texts(LONG), strict=True):
        if _seconds(pattern, long) < QUICK_S:
            continue
        growth = min(_seconds(pattern, long) for _ in range(3)) / min(
            _seconds(pattern, short) for _ in range(3)
        )
        assert growth < GROWTH, (name, long[:8], long[-3:], f"{growth:.1f} times as long")


def test_the_check_catches_a_pattern_that_goes_back() -> None:
    goes_back = re.compile(r"[^\W_]+(?:-[^\W_]+){1,3}")
    text = "a" * LONG
    long = min(_seconds(goes_back, text) for _ in range(3))
    assert long > QUICK_S
    assert long > GROWTH * min(_seconds(goes_back, text[:SHORT]) for _ in range(3))
