"""The browser part's types are the server's: generating them again changes nothing of what is committed."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner

from service_desk.cli import main
from service_desk.domain import views
from service_desk.web.schemas import MESSAGES

UI = Path(__file__).resolve().parents[2] / "agent_ui"
API = UI / "src" / "api"
CURE = "The server's shapes have changed: run `make types` and commit what it writes."


@pytest.fixture
def node_tool(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module tools/node.py, which is no package's part."""
    spec = importlib.util.spec_from_file_location("node_for_types", UI.parent / "tools" / "node.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)  # its dataclass asks for it by name
    spec.loader.exec_module(module)
    return module


def test_the_openapi_document_is_the_servers() -> None:
    printed = CliRunner().invoke(main, ["openapi"], catch_exceptions=False)
    assert printed.exit_code == 0
    assert (UI / "openapi.json").read_bytes() == printed.stdout_bytes, CURE


def test_the_types_are_made_of_the_openapi_document(node_tool: ModuleType, tmp_path: Path) -> None:
    node = node_tool.find_node()
    node_tool.install_packages(node)
    made = tmp_path / "schema.d.ts"
    (script,) = re.findall(r'"gen": "(.+)"', (UI / "package.json").read_text())
    program, *arguments, output = script.split()
    assert (program, output) == ("openapi-typescript", "src/api/schema.d.ts")
    command = [str(node.executable), "node_modules/openapi-typescript/bin/cli.js", *arguments, str(made)]
    subprocess.run(command, cwd=UI, check=True, capture_output=True)
    assert (API / "schema.d.ts").read_bytes() == made.read_bytes(), CURE


def test_the_sockets_messages_are_in_the_document() -> None:
    known = json.loads((UI / "openapi.json").read_text())["components"]["schemas"]
    assert {model.__name__ for model in MESSAGES.values()} <= known.keys()


def test_the_console_names_the_servers_shapes_and_makes_none_of_its_own() -> None:
    text = (API / "types.ts").read_text()
    known = json.loads((UI / "openapi.json").read_text())["components"]["schemas"]
    exported = dict(re.findall(r'export type (\w+) = Schemas\["(\w+)"\];', text))
    assert len(exported) > 30
    assert all(name == shape for name, shape in exported.items())
    assert set(exported) <= known.keys()
    assert "interface" not in text


def test_console_and_server_have_the_same_number_of_the_shapes() -> None:
    (number,) = re.findall(r"export const LIVE_SCHEMA = (\d+);", (API / "types.ts").read_text())
    assert int(number) == views.LIVE_SCHEMA
