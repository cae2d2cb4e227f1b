"""The list of kill points is what the chaos tests go by: it names every call, and no other."""

import ast
from pathlib import Path

import service_desk
from service_desk.killpoint import POINTS

SOURCES = Path(service_desk.__file__).parent


def called() -> set[str]:
    """The argument of each `killpoint(...)` in the program."""
    found = set()
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "killpoint":
                (name,) = node.args
                assert isinstance(name, ast.Constant), f"{path}:{node.lineno}: no plain name"
                assert isinstance(name.value, str), f"{path}:{node.lineno}: no plain name"
                found.add(name.value)
    return found


def test_every_point_is_listed_and_every_listed_point_is_passed() -> None:
    assert called() == POINTS
