"""Statements that are compiled once and run on the driver's own connection.

SQLAlchemy puts a statement together, names its columns and knows how each type is written and read. Doing that
anew for each run costs five to ten times what the database needs for it, so a `Prepared` does it once for each
dialect (and for each length of its lists) and from then on hands text and values to the driver. It runs inside the
transaction that SQLAlchemy began on the connection, and its errors are SQLAlchemy's. Rows are plain dicts.
"""

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import visitors
from sqlalchemy.sql.compiler import SQLCompiler

if TYPE_CHECKING:
    from service_desk.storage.straight import StraightCursor

Values = Mapping[str, Any]
Convert = Callable[[Any], Any]
Place = tuple[str, str, int | None]
NAMED = re.compile(r"%\((\w+)\)s")
NO_VALUES: Values = {}
RULES_LOCK = 7_265_001
"""The advisory lock of the published rules; the number means nothing."""
CURSOR = "straight cursor"
"""Where a connection keeps its one cursor, which knows what is prepared there, until it is opened anew."""


class Driver:
    """What is below one of SQLAlchemy's connections, while a transaction lasts."""

    __slots__ = ("connection", "cursor", "dialect", "straight")

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection
        self.dialect = connection.dialect
        self.straight = _straight(connection)
        self.cursor: Any = (
            self.straight or connection.connection.cursor()
        )  # rows are read at once: one is enough

    def check(self) -> None:
        """Raise DBAPIError if the connection was cut while nobody used it, as far as that is known already."""
        if self.straight is not None:
            with self.errors("BEGIN"):
                self.straight.check()

    def settle(self) -> None:
        """Run what was kept for later. Raises what it raises: a version that moved, a key that was taken."""
        if self.straight is not None:
            with self.errors("statements kept for later"):
                self.straight.settle()

    def commit(self) -> None:
        """Commit as soon as possible; where that is not quicker, SQLAlchemy does it when its block ends."""
        if self.straight is not None:
            with self.errors("COMMIT"):
                self.straight.commit()

    def wait_for_rows(self, seconds: int) -> None:
        """In this transaction, wait so long for a row that another one holds."""
        if self.straight is not None:
            with self.errors("lock_timeout"):
                self.straight.later("SELECT set_config('lock_timeout', %s, true)", [f"{seconds}s"])

    def share_rules(self) -> None:
        """As the first of a transaction that acts by the published rules: nobody publishes others until it ends.

        An advisory lock, so that no row is written for it. Taken before any row, as whoever publishes does.
        """
        if self.straight is not None:
            with self.errors("pg_advisory_xact_lock_shared"):
                self.straight.later(f"SELECT pg_advisory_xact_lock_shared({RULES_LOCK})", [])

    def own_rules(self) -> None:
        """Wait until nobody acts by the published rules any more, and let nobody begin until this transaction ends."""
        if self.straight is not None:
            with self.errors("pg_advisory_xact_lock"):
                self.straight.later(f"SELECT pg_advisory_xact_lock({RULES_LOCK})", [])
                self.straight.settle()

    @contextlib.contextmanager
    def errors(self, text: str) -> Iterator[None]:
        """What the driver raises here is SQLAlchemy's error."""
        try:
            yield
        except self.dialect.loaded_dbapi.Error as error:
            raise self.error(text, error) from error

    def error(self, text: str, error: Any) -> DBAPIError:
        """The driver's error as SQLAlchemy's; a connection that broke is given up.

        Without the values: they may be somebody's words.
        """
        base: Any = self.dialect.loaded_dbapi.Error
        broken = self.dialect.is_disconnect(error, self.connection.connection, self.cursor)
        if broken:
            self.connection.invalidate(error)
        made = DBAPIError.instance(
            text,
            None,
            error,
            base,
            hide_parameters=True,
            connection_invalidated=broken,
            dialect=self.dialect,
        )
        assert isinstance(made, DBAPIError), "an error of the driver is wrapped"
        return made


def _straight(connection: sa.Connection) -> "StraightCursor | None":
    if connection.dialect.name != "postgresql":
        return None
    from service_desk.storage.straight import StraightCursor  # noqa: PLC0415 - embedded, nobody needs psycopg

    cursor: StraightCursor | None = connection.info.get(CURSOR)
    if cursor is None:
        driver: Any = connection.connection.driver_connection
        cursor = connection.info[CURSOR] = StraightCursor(driver)
    cursor.begin()
    return cursor


class _Text:
    """One statement for one dialect and one length of each of its lists.

    `places`: for each value its name, the value's name in the caller's dict, and its index where that is a list.
    """

    def __init__(self, sql: str, places: Sequence[Place], converts: Mapping[str, Convert]) -> None:
        self.sql = sql
        self._places = places if any(index is not None for _, _, index in places) else None
        self._take = _taker([name for _, name, _ in places])
        self._converts = tuple(
            (at, converts[place]) for at, (place, _, _) in enumerate(places) if place in converts
        )

    def bind(self, values: Values) -> Any:
        """The values in the order in which the driver takes them."""
        bound: Sequence[Any]
        if self._places is None:
            bound = self._take(values)
        else:
            bound = [values[name] if at is None else values[name][at] for _, name, at in self._places]
        if self._converts:
            bound = list(bound)
            for at, convert in self._converts:
                bound[at] = convert(bound[at])
        return bound


def _taker(names: Sequence[str]) -> Callable[[Values], Sequence[Any]]:
    """Takes the values of these names out of a dict; `itemgetter` alone gives no tuple of one."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda values: [values[name] for name in names]


class _Compiled:
    """One statement for one dialect."""

    def __init__(
        self, statement: sa.ClauseElement, dialect: sa.Dialect, columns: tuple[str, ...] | None
    ) -> None:
        compiled = statement.compile(
            dialect=dialect, column_keys=list(columns) if columns is not None else None
        )
        assert isinstance(compiled, SQLCompiler), "statements, not definitions"
        self._compiled = compiled
        self._defaults = dict(compiled.construct_params({}, _check=False))
        self._lists = tuple(
            sorted(compiled.bind_names[bind] for bind in compiled.post_compile_params if bind.expanding)
        )
        self._texts: dict[tuple[int, ...], _Text] = {}
        self._dialect = dialect
        self._columns = compiled._result_columns  # noqa: SLF001 - what SQLAlchemy's own cursor names and reads by
        self._names = tuple(column.keyname for column in self._columns)
        self._converts: tuple[tuple[int, Convert], ...] | None = None

    def text(self, values: Values) -> tuple[_Text, Values]:
        """The text for these values, and the values with those that the statement holds itself."""
        full = {**self._defaults, **values} if self._defaults else values
        lengths = tuple(len(full[name]) for name in self._lists)
        text = self._texts.get(lengths)
        if text is None:
            text = self._texts[lengths] = self._expand(full)
        return text, full

    def _expand(self, values: Values) -> _Text:
        state = self._compiled.construct_expanded_state(dict(values))
        sources = {
            place: (name, index)
            for name, places in state.parameter_expansion.items()
            for index, place in enumerate(places)
        }
        converts: dict[str, Any] = {**self._compiled._bind_processors, **state.processors}  # noqa: SLF001 - as in __init__
        sql, order = state.statement, state.positiontup
        if order is None:  # by name, which psycopg would turn into an order at each run
            order = NAMED.findall(sql)
            sql = NAMED.sub("%s", sql)
        places = [(place, *sources.get(place, (place, None))) for place in order]
        return _Text(sql, places, converts)

    def read(self, cursor: Any) -> list[dict[str, Any]]:
        """The driver's rows with names and types."""
        names = self._names
        converts = self._converts if self._converts is not None else self._find_converts(cursor.description)
        if not converts:
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        found = []
        for row in cursor.fetchall():
            cells = list(row)
            for at, convert in converts:
                cells[at] = convert(cells[at])
            found.append(dict(zip(names, cells, strict=True)))
        return found

    def _find_converts(self, description: Sequence[Any]) -> tuple[tuple[int, Convert], ...]:
        """How columns are read, which some drivers know after the first run only."""
        self._converts = tuple(
            (at, convert)
            for at, (column, told) in enumerate(zip(self._columns, description, strict=True))
            if (convert := column.type._cached_result_processor(self._dialect, told[1])) is not None  # noqa: SLF001 - as above
        )
        return self._converts


class Prepared:
    """A statement to be run many times. `columns`: of an insert, the names that its rows have."""

    def __init__(self, statement: sa.ClauseElement, columns: tuple[str, ...] | None = None) -> None:
        self.statement = statement
        self._columns = columns
        self._by_dialect: dict[str, _Compiled] = {}

    @cached_property
    def tables(self) -> frozenset[str]:
        """The names of all tables in it."""
        parts = visitors.iterate(self.statement)
        return frozenset(part.name for part in parts if isinstance(part, sa.Table))

    @property
    def written(self) -> sa.Table:
        """The table that an insert, update or delete is about."""
        table: sa.Table = self.statement.table  # type: ignore[attr-defined]  # a select is not written
        return table

    def rows(self, driver: Driver, values: Values | None = None) -> list[dict[str, Any]]:
        """Run it and read every row."""
        compiled = self._for(driver)
        text, full = compiled.text(values or NO_VALUES)
        return compiled.read(self._execute(driver, text, full))

    def count(self, driver: Driver, values: Values | None = None) -> int:
        """Run it; how many rows it changed."""
        text, full = self._for(driver).text(values or NO_VALUES)
        changed: int = self._execute(driver, text, full).rowcount
        return changed

    def later(self, driver: Driver, values: Values, lost: Exception | None = None) -> None:
        """Run it, now or with whatever comes next, which raises its errors then.

        `lost` is raised likewise unless exactly one row changed.
        """
        if driver.straight is None:
            if self.count(driver, values) != 1 and lost is not None:
                raise lost
            return
        text, full = self._for(driver).text(values)
        try:
            driver.straight.later(text.sql, text.bind(full), lost)
        except driver.dialect.loaded_dbapi.Error as error:
            raise driver.error(text.sql, error) from error

    def meanwhile(self, driver: Driver, values: Values | None = None) -> Callable[[], list[dict[str, Any]]]:
        """Ask it with whatever comes next, where asking takes a wait; call what is returned for the rows."""
        compiled = self._for(driver)
        text, full = compiled.text(values or NO_VALUES)
        straight = driver.straight
        if straight is None:
            return partial(self.rows, driver, values)
        with driver.errors(text.sql):
            held = straight.meanwhile(text.sql, text.bind(full))

        def read() -> list[dict[str, Any]]:
            if held.result is None:
                driver.settle()
            straight.show(held.result)
            return compiled.read(straight)

        return read

    def many(self, driver: Driver, rows: Sequence[Values]) -> None:
        """Run it once for each row, now or later."""
        compiled = self._for(driver)
        text, _ = compiled.text(rows[0])
        with driver.errors(text.sql):
            if driver.straight is None:
                driver.cursor.executemany(text.sql, [text.bind(row) for row in rows])
                return
            for row in rows:
                driver.straight.later(text.sql, text.bind(row))

    def ask(self, driver: Driver, values: Values) -> "Asked":
        """Itself with values, for `together`."""
        compiled = self._for(driver)
        text, full = compiled.text(values)
        return Asked(text.sql, text.bind(full), compiled)

    def _for(self, driver: Driver) -> _Compiled:
        name = driver.dialect.name
        compiled = self._by_dialect.get(name)
        if compiled is None:
            compiled = self._by_dialect[name] = _Compiled(self.statement, driver.dialect, self._columns)
        return compiled

    @staticmethod
    def _execute(driver: Driver, text: _Text, values: Values) -> Any:
        try:
            driver.cursor.execute(text.sql, text.bind(values))
        except driver.dialect.loaded_dbapi.Error as error:
            raise driver.error(text.sql, error) from error
        return driver.cursor


class Asked(NamedTuple):
    """A statement that is about to be run."""

    sql: str
    bound: Any
    compiled: _Compiled


def together(driver: Driver, asked: Sequence[tuple[Prepared, Values]]) -> list[list[dict[str, Any]]]:
    """The rows of each statement, run in this order; where it takes a wait to ask the database, one for all."""
    if driver.straight is None:
        return [statement.rows(driver, values) for statement, values in asked]
    straight = driver.straight
    ready = [statement.ask(driver, values) for statement, values in asked]
    with driver.errors("; ".join(item.sql for item in ready)):
        results = straight.together([(item.sql, item.bound) for item in ready])
    found = []
    for item, result in zip(ready, results, strict=True):
        straight.show(result)
        found.append(item.compiled.read(straight))
    return found
