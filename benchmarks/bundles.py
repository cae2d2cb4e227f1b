"""How much a browser fetches before the console or the chat widget can be used, gzipped as the server sends it."""

import gzip
import re
import subprocess
import sys
from pathlib import Path

from benchmarks.report import Row

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "agent_ui" / "dist"
LEVEL = 6
REFERENCE = re.compile(r"""(?:src|href)="(/[^"]+)\"""")
IMPORT = re.compile(r"""(?:\bfrom|\bimport)\s*["'](\.{1,2}/[^"']+)["']""")
FONT_FACE = re.compile(r"@font-face\s*\{([^}]*)\}")
FONT_URL = re.compile(r"""url\(["']?([^"')]+\.woff2)["']?\)""")
RANGES = re.compile(r"unicode-range:([^;}]*)")
PLAIN_LETTERS = re.compile(r"U\+0{1,4}-|U\+0?0?\?\?", re.IGNORECASE)
PACKED = frozenset({".woff2", ".png"})


def measure() -> list[Row]:
    """Both bundles. FileNotFoundError when the browser part is not built and cannot be."""
    if not (DIST / "index.html").exists():
        subprocess.run([sys.executable, str(ROOT / "tools" / "node.py"), "build"], check=True)
    console = first_load(DIST / "index.html")
    fonts = {path for path in console if path.suffix == ".woff2"}
    how = (
        f"gzip level {LEVEL} of index.html, what it names, what that imports at once, and the fonts of plain letters "
        f"({len(console)} files, of which the fonts are {weight(fonts):.1f} kB)"
    )
    widget = DIST / "widget" / "widget.js"
    return [
        Row("console: first load, gzipped", weight(console), "kB", "< 200", how),
        Row(
            "chat widget, gzipped",
            weight({widget}),
            "kB",
            "< 40",
            f"gzip level {LEVEL} of the one file that a host page loads",
        ),
    ]


def weight(paths: set[Path]) -> float:
    """Kilobytes on the wire; what is packed already is not packed again."""
    sizes = (
        len(path.read_bytes() if path.suffix in PACKED else gzip.compress(path.read_bytes(), LEVEL, mtime=0))
        for path in paths
    )
    return sum(sizes) / 1_000


def first_load(page: Path) -> set[Path]:
    """The page and everything that it makes a browser fetch before anybody does anything."""
    found = {page}
    waiting = [
        DIST / reference.lstrip("/") for reference in REFERENCE.findall(page.read_text(encoding="utf-8"))
    ]
    while waiting:
        path = waiting.pop().resolve()
        if path in found or not path.is_file():
            continue
        found.add(path)
        if path.suffix == ".js":
            waiting += [path.parent / name for name in IMPORT.findall(path.read_text(encoding="utf-8"))]
        elif path.suffix == ".css":
            waiting += _fonts(path)
    return found


def _fonts(sheet: Path) -> list[Path]:
    """Fonts that plain letters need; those of other scripts are fetched when a text has them."""
    files = []
    for face in FONT_FACE.findall(sheet.read_text(encoding="utf-8")):
        ranges = RANGES.search(face)
        if ranges is None or PLAIN_LETTERS.search(ranges[1]):
            files += [_beside(sheet, name) for name in FONT_URL.findall(face)]
    return files


def _beside(sheet: Path, name: str) -> Path:
    return DIST / name.lstrip("/") if name.startswith("/") else sheet.parent / name
