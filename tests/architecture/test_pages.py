"""Every page has the icon, so that no browser asks for one that is not there."""

import re
from pathlib import Path

import pytest

UI = Path(__file__).resolve().parents[2] / "agent_ui"


@pytest.mark.parametrize("page", sorted(UI.glob("*.html")), ids=lambda page: page.name)
def test_the_pages_icon_is_there(page: Path) -> None:
    (icon,) = re.findall(r'<link rel="icon" type="image/svg\+xml" href="/([^"]+)"', page.read_text())
    assert (UI / "public" / icon).read_text().startswith("<svg xmlns=")
