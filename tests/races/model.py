"""A database in memory that does one statement at a time: row locks, READ COMMITTED, unique keys, deadlocks.

The desk's own statements run on it, read from SQLAlchemy's expressions. Each session is a greenlet; before every
statement, and when it must wait for a lock, it hands over to the scheduler, which draws who goes on. So the same seed
gives the same interleaving, statement by statement, as two connections to PostgreSQL may meet and hardly ever do.
"""

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from random import Random
from typing import Any, TypeAlias

import greenlet
import sqlalchemy as sa
from sqlalchemy.sql import elements, operators, selectable

from service_desk.storage.groups import STREAMS
from service_desk.storage.prepared import Prepared

Values: TypeAlias = Mapping[str, Any]
ModelRow: TypeAlias = dict[str, Any]
Env: TypeAlias = dict[str, ModelRow]
Key: TypeAlias = tuple[str, tuple[Any, ...]]
Tables: TypeAlias = dict[str, dict[tuple[Any, ...], ModelRow]]
Value: TypeAlias = Callable[[Env, Values, "Session"], Any]


class Deadlock(Exception):
    """This session was chosen to give up its locks."""


class Collision(Exception):
    """A unique key is taken."""


class Model:
    """What is committed, who holds which lock, and the draw of who goes on."""

    def __init__(self, tables: Tables, chance: Random) -> None:
        self.tables = {name: dict(rows) for name, rows in tables.items()}
        self.locks: dict[Key, Session] = {}
        self.statements = 0
        self.deadlocks = 0
        self._chance = chance

    def play(self, acts: Sequence[Callable[["Session"], Any]]) -> list[Any]:
        """Run the acts to their ends, statement by statement; what each returned or raised."""
        outcomes: list[Any] = [None] * len(acts)
        main = greenlet.getcurrent()
        sessions = [Session(self, main) for _ in acts]

        def start(at: int) -> None:
            try:
                outcomes[at] = acts[at](sessions[at])
            except Exception as error:  # noqa: BLE001 - an outcome like any other
                outcomes[at] = error

        for at, session in enumerate(sessions):
            session.task = greenlet.greenlet(lambda at=at: start(at), main)
        living = list(sessions)
        while living:
            free = [session for session in living if session.may_go()]
            if not free:
                self.deadlocks += 1
                victim = self._chance.choice(living)
                victim.doomed = True
                free = [victim]
            session = free[self._chance.randrange(len(free))] if len(free) > 1 else free[0]
            assert session.task is not None, "made above"
            session.task.switch()
            if session.task.dead:
                living.remove(session)
        return outcomes


class Session:
    """One connection in one transaction after the other."""

    def __init__(self, model: Model, main: Any) -> None:
        self.model = model
        self.task: Any = None
        self.doomed = False
        self._main = main
        self._waits_for: Key | None = None
        self._written: dict[Key, ModelRow | None] = {}
        self._held: list[Key] = []

    def may_go(self) -> bool:
        return self._waits_for is None or self._waits_for not in self.model.locks

    def pause(self) -> None:
        """Another session may go on here."""
        self.model.statements += 1
        self._main.switch()

    def lock(self, key: Key) -> bool:
        """Hold a row until the end; True if somebody else had it meanwhile. Raises Deadlock."""
        waited = False
        while (holder := self.model.locks.get(key)) is not None and holder is not self:
            waited = True
            self._waits_for = key
            self._main.switch()
            self._waits_for = None
            if self.doomed:
                self.doomed = False
                raise Deadlock
        if holder is None:
            self.model.locks[key] = self
            self._held.append(key)
        return waited

    def visible(self, table: str) -> Iterator[ModelRow]:
        """What is committed now, with this session's own changes over it."""
        committed = self.model.tables[table]
        own = {key: row for (name, key), row in self._written.items() if name == table}
        rows = {**committed, **own}.values() if own else list(committed.values())
        return (row for row in rows if row is not None)

    def now(self, table: str, key: tuple[Any, ...]) -> ModelRow | None:
        """A row as it is now."""
        if (table, key) in self._written:
            return self._written[table, key]
        return self.model.tables[table].get(key)

    def write(self, table: str, key: tuple[Any, ...], row: ModelRow | None) -> None:
        self._written[table, key] = row

    def commit(self) -> None:
        """All at once."""
        for (table, key), row in self._written.items():
            if row is None:
                self.model.tables[table].pop(key, None)
            else:
                self.model.tables[table][key] = row
        self.roll_back()

    def roll_back(self) -> None:
        """Forget what was not committed, and let go of every lock."""
        self._written.clear()
        for key in self._held:
            del self.model.locks[key]
        self._held.clear()


# --- expressions ----------------------------------------------------------------------------------------------

OPERATORS: Mapping[Any, Callable[[Any, Any], Any]] = {
    operators.eq: lambda a, b: a is not None and b is not None and a == b,
    operators.ne: lambda a, b: a is not None and b is not None and a != b,
    operators.lt: lambda a, b: a is not None and b is not None and a < b,
    operators.gt: lambda a, b: a is not None and b is not None and a > b,
    operators.le: lambda a, b: a is not None and b is not None and a <= b,
    operators.ge: lambda a, b: a is not None and b is not None and a >= b,
    operators.is_: lambda a, b: a is b,
    operators.is_not: lambda a, b: a is not b,
    operators.in_op: lambda a, b: a in b,
    operators.add: operator.add,
}


def value_of(part: Any) -> Value:
    """A function that works out an expression for a row of each table."""
    match part:
        case sa.Column():
            table, name = part.table.name, part.name
            return lambda env, _values, _session: env[table][name]
        case elements.BindParameter():
            name, default = part.key, part.value
            return lambda _env, values, _session: values.get(name, default)
        case elements.Null():
            return lambda _env, _values, _session: None
        case elements.True_() | elements.False_():
            truth = isinstance(part, elements.True_)
            return lambda _env, _values, _session: truth
        case elements.Grouping() | elements.AsBoolean():
            return value_of(part.element)
        case elements.BooleanClauseList():
            parts = [value_of(each) for each in part.clauses]
            every = all if part.operator is operators.and_ else any
            return lambda env, values, session: every(each(env, values, session) for each in parts)
        case elements.BinaryExpression():
            left, right, work = value_of(part.left), value_of(part.right), OPERATORS[part.operator]
            return lambda env, values, session: work(left(env, values, session), right(env, values, session))
        case selectable.ScalarSelect():
            inner = Plan(part.element)
            return lambda _env, values, session: next(
                (next(iter(row.values())) for row in find(inner, values, session)), None
            )
    raise NotImplementedError(f"the model knows no {type(part).__name__}: {part}")


def _always(_env: Env, _values: Values, _session: Session) -> bool:
    return True


# --- statements -----------------------------------------------------------------------------------------------


class Plan:
    """A statement taken apart: where it looks, what it wants, what it changes."""

    def __init__(self, statement: Any) -> None:
        self.statement = statement
        self.tables: Sequence[sa.Table]
        self.joined: Value = _always
        self.meets = _always if statement.whereclause is None else value_of(statement.whereclause)
        if isinstance(statement, sa.Select):
            self._take_apart(statement)
        else:
            self.tables = (statement.table,)
            self.locks = True
            self.fields = [(column.name, value_of(column)) for column in statement._returning]
        changes: Any = (statement._values if isinstance(statement, sa.Update) else None) or {}
        self.key = _key_in(statement.whereclause, self.tables[0]) if len(self.tables) == 1 else None
        self.new = [(getattr(column, "name", column), value_of(to)) for column, to in changes.items()]

    def _take_apart(self, statement: Any) -> None:
        (source,) = statement.get_final_froms()
        if isinstance(source, selectable.Join):
            self.tables, self.joined = (source.left, source.right), value_of(source.onclause)  # type: ignore[assignment]  # tables are joined here
        else:
            self.tables = (source,)
        self.locks = statement._for_update_arg is not None
        self.fields = [(column.name, value_of(column)) for column in statement.selected_columns]
        self.whole = list(statement.selected_columns) == list(self.tables[0].columns)
        self.order = [value_of(part) for part in statement._order_by_clauses]
        limit = statement._limit_clause
        self.limit = None if limit is None else value_of(limit)


def _key_in(where: Any, table: sa.Table) -> Value | None:
    """What the one column of the primary key must equal, if the WHERE says so: then no other row is looked at."""
    if len(table.primary_key.columns) > 1:
        return None
    (key,) = table.primary_key.columns
    parts = where.clauses if isinstance(where, elements.BooleanClauseList) else [where]
    if isinstance(where, elements.BooleanClauseList) and where.operator is not operators.and_:
        return None
    for part in parts:
        if isinstance(part, elements.BinaryExpression) and part.operator is operators.eq and part.left is key:
            return value_of(part.right)
    return None


_PLANS: dict[Prepared, Plan] = {}


def plan_of(prepared: Prepared) -> Plan:
    """Taken apart once: prepared statements stay."""
    plan = _PLANS.get(prepared)
    if plan is None:
        plan = _PLANS[prepared] = Plan(prepared.statement)
    return plan


def key_of(table: sa.Table, row: Values) -> tuple[Any, ...]:
    return tuple(row[column.name] for column in table.primary_key.columns)


def run(plan: Plan, values: Values, session: Session) -> tuple[list[ModelRow], int]:
    """One statement: its rows, and how many it changed."""
    session.pause()
    if isinstance(plan.statement, sa.Select):
        return find(plan, values, session), 0
    changed = _change(plan, values, session)
    rows = [{name: row[name] for name, _ in plan.fields} for row in changed]
    return rows, len(changed)


def find(plan: Plan, values: Values, session: Session) -> list[ModelRow]:
    """A select; with FOR UPDATE each row is looked at again if somebody else had it meanwhile."""
    found = [env for env in _combined(plan, values, session) if plan.meets(env, values, session)]
    if plan.locks:
        found = [env for env in found if _locked(plan, env, values, session)]
    if plan.order and len(found) > 1:
        found.sort(key=lambda env: [part(env, values, session) for part in plan.order])
    if plan.limit is not None:
        found = found[: plan.limit({}, values, session)]
    if plan.whole:
        return [dict(env[plan.tables[0].name]) for env in found]
    return [{name: field(env, values, session) for name, field in plan.fields} for env in found]


def _combined(plan: Plan, values: Values, session: Session) -> Iterator[Env]:
    first = plan.tables[0].name
    for row in _candidates(plan, values, session):
        if len(plan.tables) == 1:
            yield {first: row}
            continue
        second = plan.tables[1].name
        for other in session.visible(second):
            env = {first: row, second: other}
            if plan.joined(env, values, session):
                yield env


def _candidates(plan: Plan, values: Values, session: Session) -> Iterator[ModelRow]:
    """Rows of the first table that may be wanted."""
    table = plan.tables[0].name
    if plan.key is None:
        return session.visible(table)
    row = session.now(table, (plan.key({}, values, session),))
    return iter(() if row is None else (row,))


def _locked(plan: Plan, env: Env, values: Values, session: Session) -> bool:
    """Lock the row that was found; whether it is still one that is wanted. `env` gets it as it is now."""
    (table,) = plan.tables
    key = key_of(table, env[table.name])
    if session.lock((table.name, key)):
        row = session.now(table.name, key)
        if row is None:
            return False
        env[table.name] = row
        return bool(plan.meets(env, values, session))
    return True


def _change(plan: Plan, values: Values, session: Session) -> list[ModelRow]:
    """An update or delete; the rows after it, of a delete before it."""
    (table,) = plan.tables
    changed = []
    for row in list(_candidates(plan, values, session)):
        env = {table.name: row}
        if not plan.meets(env, values, session) or not _locked(plan, env, values, session):
            continue
        old = env[table.name]
        after = {**old, **{name: to(env, values, session) for name, to in plan.new}} if plan.new else None
        session.write(table.name, key_of(table, old), after)
        changed.append(old if after is None else after)
    return changed


def insert(table: sa.Table, row: ModelRow, session: Session) -> None:
    """A new row. Raises Collision."""
    for name, columns in _unique(table):
        if any(row.get(column) is None for column in columns):
            continue
        taken = tuple(row[column] for column in columns)
        session.lock((name, taken))
        if _is_taken(table, name, columns, taken, session):
            raise Collision(f"{name} {taken}")
    full = _empty(table) | row
    session.write(table.name, key_of(table, full), full)


def _is_taken(
    table: sa.Table, name: str, columns: tuple[str, ...], taken: tuple[Any, ...], session: Session
) -> bool:
    if name == table.name:  # the primary key, by which rows are found
        return session.now(table.name, taken) is not None
    return any(tuple(row[column] for column in columns) == taken for row in session.visible(table.name))


@cache
def _empty(table: sa.Table) -> ModelRow:
    return {column.name: None for column in table.columns}


@cache
def _unique(table: sa.Table) -> list[tuple[str, tuple[str, ...]]]:
    """Each unique key: a name for its locks, and its columns. The primary key's locks are the rows' own."""
    keys = [(table.name, tuple(column.name for column in table.primary_key.columns))]
    for constraint in table.constraints:
        if isinstance(constraint, sa.UniqueConstraint):
            columns = tuple(column.name for column in constraint.columns)
            keys.append((f"{table.name}:{','.join(columns)}", columns))
    return keys


# --- in the place of SQLAlchemy's connection and our driver -----------------------------------------------------


class Result:
    """As much of SQLAlchemy's result as `Tx` uses."""

    def __init__(self, rows: list[ModelRow], rowcount: int) -> None:
        self._rows = rows
        self.rowcount = rowcount

    def mappings(self) -> "Result":
        return self

    def all(self) -> list[ModelRow]:
        return self._rows

    def first(self) -> ModelRow | None:
        return self._rows[0] if self._rows else None

    def scalar(self) -> Any:
        return next(iter(self._rows[0].values())) if self._rows else None


class ModelDriver:
    """What `Prepared` and `Tx` need of a driver. Statements are kept for later as the one for PostgreSQL keeps them."""

    def __init__(self, session: Session) -> None:
        self.straight = self
        self.session = session
        self._kept: list[tuple[Prepared, Values, Exception | None]] = []

    def execute(self, statement: Any, params: Any) -> Result:
        """For SQLAlchemy's own way."""
        self.settle()
        if isinstance(statement, sa.Insert):
            self.insert(statement.table, params)  # type: ignore[arg-type]  # into a table
            return Result([], 1)
        return Result(*run(Plan(statement), params or {}, self.session))

    def rows(self, prepared: Prepared, values: Values | None) -> list[ModelRow]:
        self.settle()
        return run(plan_of(prepared), values or {}, self.session)[0]

    def count(self, prepared: Prepared, values: Values | None) -> int:
        self.settle()
        return run(plan_of(prepared), values or {}, self.session)[1]

    def later(self, prepared: Prepared, values: Values, lost: Exception | None) -> None:
        self._kept.append((prepared, values, lost))

    def wait_for_rows(self, _seconds: int) -> None:
        """The model waits for a row as long as it takes."""

    def settle(self) -> None:
        """Run what was kept, in its order."""
        kept, self._kept = self._kept, []
        for prepared, values, lost in kept:
            if isinstance(prepared.statement, sa.Insert):
                self.insert(prepared.written, self._with_position(prepared.written, values))
                continue
            _, changed = run(plan_of(prepared), values, self.session)
            if lost is not None and changed != 1:
                raise lost

    def _with_position(self, table: sa.Table, row: Values) -> Values:
        """A line of a stream stands so far back from the last position taken, which this transaction holds."""
        if "back" not in row:
            return row
        given = self.session.now("positions", (1,))
        assert given is not None, "the one row of positions"
        stream = next(name for name, its in STREAMS.items() if its is table)
        line = {name: value for name, value in row.items() if name != "back"}
        return {**line, "position": given[stream] - row["back"]}

    def insert(self, table: sa.Table, row: Values) -> None:
        """Who comes second with a unique key waits for the first and then collides."""
        self.session.pause()
        insert(table, dict(row), self.session)
