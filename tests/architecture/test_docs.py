"""What README and docs/ say is there is there: links, files, commands, settings, states, codes, figures."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from channels.phone.settings import PhoneSettings
from service_desk.cli import main
from service_desk.domain.access import ROLES
from service_desk.domain.interaction import INTERACTION_MOVES
from service_desk.settings import Settings
from service_desk.web.openapi import PUBLIC, SIGNED_IN
from service_desk.web.problems import CODES
from service_desk.web.routes import operations

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
TOP = ("routing", "channels", "service_desk", "agent_ui", "config", "tests", "benchmarks", "docs", "tools")


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def anchor(heading: str) -> str:
    """A heading's id as the usual renderers of Markdown make it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    return {anchor(found) for found in re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)}


def rows(page: str, head: str) -> Iterator[list[str]]:
    """The cells of the table below a line that starts with `head`; code marks are taken off."""
    lines = (ROOT / "docs" / page).read_text().splitlines()
    (start,) = (at for at, line in enumerate(lines) if line.startswith(head))
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            return
        yield [cell.strip() for cell in line.strip("|").split("|")]


def code(cell: str) -> list[str]:
    """What a cell has in code marks."""
    return re.findall(r"`([^`]+)`", cell)


# --- links, files, commands -----------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text()
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|srcset)="([^"]+)"', text)
    for target in targets:
        if target.startswith(("http://", "https://")):
            continue
        path, _, fragment = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        assert not fragment or fragment in anchors(there), target


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_named_files_exist(page: Path) -> None:
    named = set(re.findall(rf"`((?:{'|'.join(TOP)})/[\w./-]*)`", page.read_text()))
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_named_make_goals_exist(page: Path) -> None:
    goals = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", page.read_text(), re.MULTILINE))
    assert named <= goals


def commands_in(text: str) -> Iterator[list[str]]:
    """What follows service-desk in code: a word behind it in prose is none."""
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL) + re.findall(r"`([^`\n]+)`", text)
    for block in blocks:
        for line in block.splitlines():
            found = re.match(r"\s*(?:\S*/)?service-desk ([a-z].*)", line)
            if found:
                yield found[1].partition("#")[0].split()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_named_commands_and_options_exist(page: Path) -> None:
    for words in commands_in(page.read_text()):
        command: click.Command = main
        while isinstance(command, click.Group):
            assert words[0] in command.commands, words
            command = command.commands[words.pop(0)]
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known, words


def test_the_changelog_lists_every_command() -> None:
    listed = (ROOT / "CHANGELOG.md").read_text()
    assert [command for command in main.commands if f"`{command}" not in listed] == []


# --- settings -------------------------------------------------------------------------------------------------

UNITS = {"_s": "s", "_h": "h", "_bytes": "bytes"}
GROUPS = ("server", "secrets", "limits", "retention", "simulator")


def fields_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Dotted names, groups opened."""
    found: dict[str, FieldInfo] = {}
    for key, field in model.model_fields.items():
        if model is Settings and key in GROUPS:
            assert isinstance(field.annotation, type)
            found |= {f"{key}.{inner}": value for inner, value in fields_of(field.annotation).items()}
        else:
            found[key] = field
    return found


def in_words(field: FieldInfo) -> str:
    """A default as the tables write it."""
    value: Any = field.get_default(call_default_factory=True, validated_data={})
    if field.is_required():
        return "must be given"
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value is None or value in ((), {}):
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


@pytest.mark.parametrize(
    ("head", "model"),
    [
        ("| Setting |", Settings),
        ("| Setting of a phone account |", PhoneSettings),
    ],
)
def test_every_setting_is_described_with_default_and_unit(head: str, model: type[BaseModel]) -> None:
    fields = fields_of(model)
    described = {code(cells[0])[0]: cells for cells in rows("operations.md", head)}
    assert described.keys() == fields.keys()
    for key, (_, default, unit, meaning) in described.items():
        written = (code(default) or [default])[0]
        if key != "server.public_base":  # "" stands for what host and port give
            assert written == in_words(fields[key]), key
        asked = next((text for suffix, text in UNITS.items() if key.endswith(suffix)), None)
        assert asked is None or unit == asked, key
        assert len(meaning) > 2, key


def test_settings_that_are_only_mentioned_exist() -> None:
    known = fields_of(Settings)
    for page in PAGES:
        mentioned = set(re.findall(rf"`((?:{'|'.join(GROUPS)})\.[a-z_]+)`", page.read_text()))
        assert mentioned <= known.keys(), page


# --- states, routes, codes, figures ---------------------------------------------------------------------------


def test_the_state_table_is_the_codes() -> None:
    table = {code(cells[0])[0]: frozenset(code(cells[1])) for cells in rows("channels.md", "| From | To |")}
    assert table == INTERACTION_MOVES


def test_every_operation_is_listed_with_its_permission() -> None:
    words = {PUBLIC: "nothing", SIGNED_IN: "a session"}
    listed = {
        (code(cells[0])[0], code(cells[1])[0]): (code(cells[2]) or [cells[2]])[0]
        for cells in rows("api.md", "| Method | Path |")
    }
    assert listed == {(one.method, one.path): words.get(one.needs, one.needs) for one in operations()}


def test_every_role_is_listed_with_what_it_adds() -> None:
    listed = {cells[0]: set(code(cells[1])) for cells in rows("api.md", "| Role |")}
    before: frozenset[str] = frozenset()
    for role, granted in ROLES.items():
        assert listed.pop(role) == granted - before
        before = granted
    assert not listed


def codes_in_the_source() -> set[str]:
    """Every `code` that a refusal is given: as an attribute of its class, or where it is raised."""
    found = {*CODES.values(), "internal"}
    for path in (ROOT / "service_desk").rglob("*.py"):
        if path.parent.name == "demo":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.keyword(arg="code", value=ast.Constant(value=str(value))):
                    found.add(value)
                case ast.Assign(targets=[ast.Name(id="code")], value=ast.Constant(value=str(value))):
                    found.add(value)
    return found


def test_every_problem_code_is_listed_and_no_other() -> None:
    listed = [code(cells[1])[0] for cells in rows("api.md", "| Status | Code |")]
    assert len(listed) == len(set(listed))
    assert set(listed) == codes_in_the_source()


def test_every_figure_is_listed_and_no_other() -> None:
    source = "".join(path.read_text() for path in (ROOT / "service_desk").rglob("*.py"))
    declared = re.findall(r'(Counter|Histogram|Gauge)\(\s*"(desk_\w+)"', source)
    listed = {code(cells[0])[0] for cells in rows("operations.md", "| Name | Labels |")}
    assert listed == {f"{figure}_total" if kind == "Counter" else figure for kind, figure in declared}
