"""What the process writes about itself: one line per happening on standard error, for people or as JSON.

Ids and small facts only: no message bodies, no names, no secrets. What slips through under a telling name
is blanked.
"""

import logging
import re
import sys
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

Level = Literal["debug", "info", "warning", "error"]
LEVELS: tuple[Level, ...] = ("debug", "info", "warning", "error")

SECRET = re.compile(r"pass(word|phrase)|secret|token|authorization|cookie|csrf|signature", re.IGNORECASE)
BLANK = "***"
QUIETER = ("aiohttp.access", "engineio", "socketio", "alembic", "twilio")
"""Libraries that tell more than we want; their warnings still come through."""


def set_up_logs(level: Level = "info", *, as_json: bool | None = None, stream: TextIO | None = None) -> None:
    """Send our lines and those of libraries to `stream` (standard error), as JSON unless it is a terminal."""
    stream = stream or sys.stderr
    as_json = not stream.isatty() if as_json is None else as_json
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _name_node,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        blank_secrets,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,  # tests and the command line set up more than once
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(as_json)],
        )
    )
    root = logging.getLogger()
    for old in list(root.handlers):
        if isinstance(old.formatter, structlog.stdlib.ProcessorFormatter):
            root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in QUIETER:
        logging.getLogger(name).setLevel("WARNING" if level != "debug" else "DEBUG")


_node: str | None = None


def name_node(node_id: str) -> None:
    """From here on every line of this process says which node wrote it."""
    global _node  # noqa: PLW0603 - a process is one node, and its lines come from every thread
    _node = node_id


def _name_node(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    if _node is not None:
        event.setdefault("node", _node)
    return event


def _renderers(as_json: bool) -> list[Processor]:  # noqa: FBT001 - the one switch that it has
    """Traces are without the values of variables: those may be somebody's words."""
    if as_json:
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    plain = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    return [plain]


def blank_secrets(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Replace the values of names that tell of a secret, however deep."""
    return {name: BLANK if SECRET.search(name) else _blanked(value) for name, value in event.items()}


def _blanked(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: BLANK if SECRET.search(str(name)) else _blanked(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_blanked(inner) for inner in value]
    return value
