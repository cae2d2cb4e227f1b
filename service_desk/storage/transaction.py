"""One action's view of the database: reads and writes now, log lines and commands at the end of the group."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import sqlalchemy as sa

from routing.codec import encode
from routing.commands import Command
from service_desk.clock import Micros
from service_desk.domain.config import DeskConfig
from service_desk.domain.effects import Effect
from service_desk.domain.events import Event
from service_desk.errors import Unavailable
from service_desk.ids import new_id
from service_desk.ports import Stream
from service_desk.storage import schema
from service_desk.storage.prepared import Driver, Prepared, together
from service_desk.storage.statements import by_key, insert, new, update, update_version

Row = sa.RowMapping
T = TypeVar("T")
Question = tuple[Prepared, str]


def fields_of(value: Event | Effect) -> dict[str, Any]:
    """A flat slotted dataclass as a dict; `dataclasses.asdict` copies deeply and costs ten times as much."""
    return {name: getattr(value, name) for name in value.__match_args__}


def event_line(event: Event, at: Micros, actor: str) -> dict[str, Any]:
    """A line of the log, still without its position."""
    data = fields_of(event)
    return {"at": at, "kind": event.KIND, "subject": data[event.SUBJECT], "actor": actor, "data": data}


def published_config(
    driver: Driver, cache: dict[int, DeskConfig], asked: Callable[[], list[dict[str, Any]]] | None = None
) -> DeskConfig:
    """The configuration in force; a version never changes, so each is read and checked once per store.

    `asked`: which one it is was asked before, and this is how to get the answer.
    """
    rows = _PUBLISHED.rows(driver) if asked is None else asked()
    if not rows:
        raise Unavailable(
            "No configuration is published: run `service-desk migrate`, then start the server once."
        )
    version: int = rows[0]["version"]
    if version not in cache:
        body = by_key(schema.config_version).rows(driver, {"key": version})[0]["body"]
        cache[version] = DeskConfig.model_validate({**body, "version": version})
    return cache[version]


class StaleRow(Exception):
    """A row changed between reading and writing it: the action is run again from its start."""


_PUBLISHED = Prepared(
    sa.select(schema.config_version.c.version).where(schema.config_version.c.state == "published")
)
_TAKE_NUMBERS = Prepared(
    sa.update(schema.counter)
    .where(schema.counter.c.name == sa.bindparam("counter"))
    .values(value=schema.counter.c.value + sa.bindparam("count", type_=sa.BigInteger))
    .returning(schema.counter.c.value)
)
_MOVE_CURSOR = Prepared(
    sa.update(schema.cursor)
    .where(schema.cursor.c.name == sa.bindparam("cursor"))
    .values(position=sa.bindparam("to", type_=sa.BigInteger))
    .returning(schema.cursor.c.position)
)
_CLEAR_TIMERS = Prepared(
    sa.delete(schema.timer).where(
        schema.timer.c.kind.in_(sa.bindparam("kinds", expanding=True)),
        schema.timer.c.subject.in_(sa.bindparam("subjects", expanding=True)),
    )
)
_CLEAR_TIMER = Prepared(
    sa.delete(schema.timer).where(
        schema.timer.c.kind == sa.bindparam("kind"), schema.timer.c.subject == sa.bindparam("subject")
    )
)
_KNOWN_INPUT = Prepared(
    sa.select(schema.input_.c.position).where(
        schema.input_.c.account == sa.bindparam("account"), schema.input_.c.key == sa.bindparam("key")
    )
)


@dataclass(slots=True)
class Input:
    """A raw input under a key that is unique within its account."""

    account: str
    key: str
    kind: str
    body: Mapping[str, Any]
    customer_id: str | None = None


@dataclass(slots=True)
class Gathered:
    """What actions leave for the end of their group, in the order in which they said it."""

    events: list[dict[str, Any]] = field(default_factory=list)
    effects: list[dict[str, Any]] = field(default_factory=list)
    commands: list[dict[str, Any]] = field(default_factory=list)
    inputs: list[dict[str, Any]] = field(default_factory=list)
    input_keys: set[tuple[str, str]] = field(default_factory=set)
    rows: dict[sa.Table, list[dict[str, Any]]] = field(default_factory=dict)

    def add(self, other: "Gathered") -> None:
        """Take over what another gathered."""
        self.events += other.events
        self.effects += other.effects
        self.commands += other.commands
        self.inputs += other.inputs
        self.input_keys |= other.input_keys
        for table, rows in other.rows.items():
            self.rows.setdefault(table, []).extend(rows)


@dataclass(frozen=True, slots=True)
class Foreseen:
    """A question that an action is about to ask.

    `answers`: of a statement that finds rows in another way than by their key, the statement by key that is
    going to be asked.
    """

    statement: Prepared
    values: Mapping[str, Any]
    answers: sa.Table | None = None

    def known(self, rows: list[Any]) -> dict[Question, list[Any]]:
        """The rows by the questions that they answer. A row that is not there is asked for again."""
        if self.answers is None:
            return {question(self.statement, self.values): rows}
        key = self.answers.primary_key.columns[0].name
        return {question(by_key(self.answers, lock=True), {"key": row[key]}): [row] for row in rows}


def locked(table: sa.Table, key: str | int) -> Foreseen:
    """`get_for_update`, foreseen."""
    return Foreseen(by_key(table, lock=True), {"key": key})


def question(statement: Prepared, params: Mapping[str, Any] | None) -> Question:
    """By which two questions are the same or not."""
    return statement, repr(sorted((params or {}).items()))


class Group:
    """Actions that share one database transaction."""

    def __init__(self, connection: sa.Connection, configs: dict[int, DeskConfig]) -> None:
        self.connection = connection
        self.driver = Driver(connection)
        self.gathered = Gathered()
        self.configs = configs
        self._config: DeskConfig | None = None
        self._asked: Callable[[], list[dict[str, Any]]] | None = None

    def foresee_config(self) -> None:
        """Ask for the configuration with the first statement, where asking takes a wait: most actions want it."""
        if self.driver.straight is not None:
            self._asked = _PUBLISHED.meanwhile(self.driver)

    @property
    def config(self) -> DeskConfig:
        """The published configuration, looked up once per group."""
        if self._config is None:
            asked, self._asked = self._asked, None
            self._config = published_config(self.driver, self.configs, asked)
        return self._config

    def forget_config(self) -> None:
        """A version was published that may yet be rolled back: what is read from here on nobody else may keep."""
        self._config = self._asked = None
        self.configs = {}

    def flush(self) -> None:
        """Insert the rows that were only gathered so far: one statement per table."""
        insert_all(self.driver, self.gathered.rows)


def insert_all(driver: Driver, rows: dict[sa.Table, list[dict[str, Any]]]) -> None:
    """Insert gathered rows and forget them."""
    for table, values in rows.items():
        insert_rows(driver, table, values)
    rows.clear()


def insert_rows(
    driver: Driver,
    table: sa.Table,
    rows: Sequence[dict[str, Any]],
    by: Callable[[sa.Table, tuple[str, ...]], Prepared] = insert,
) -> None:
    """Insert rows of a table: one statement for all that have the same columns; `by`: which one."""
    by_columns: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        by_columns.setdefault(tuple(row), []).append(row)
    for columns, alike in by_columns.items():
        by(table, columns).many(driver, alike)


class Tx:
    """What an action gets. `now` was read once; `actor` is an agent's id, "customer", "system" or an account."""

    def __init__(self, group: Group, now: Micros, actor: str) -> None:
        self._group = group
        self._connection = group.connection
        self._driver = group.driver
        self.now = now
        self.actor = actor
        self.wrote = False
        self.timers_set = False
        self.gathered = Gathered()
        self._foreseen: dict[Question, list[Row]] = {}
        self._asked: set[Question] = set()

    # --- rows -----------------------------------------------------------------------------------------------

    def _flush(self) -> None:
        """Rows that were only gathered must be there before anybody looks or changes."""
        if self._group.gathered.rows:
            self._group.flush()
        if self.gathered.rows:
            self.wrote = True
            insert_all(self._driver, self.gathered.rows)

    def all(
        self, statement: sa.Select[Any] | Prepared, params: Mapping[str, Any] | None = None
    ) -> Sequence[Row]:
        """Every row of a query."""
        if isinstance(statement, Prepared):
            if self._foreseen:
                rows = self._foreseen.pop(question(statement, params), None)
                if rows is not None:
                    return rows
            self._flush()
            return statement.rows(self._driver, params)  # type: ignore[return-value]  # a dict reads like a row
        self._flush()
        return self._execute(statement, params).mappings().all()

    def foresee(self, *asked: Foreseen) -> None:
        """Ask in one go for what the action is about to ask one by one, where each question takes a wait.

        The next `all`, `first`, `scalar`, `get` or `get_for_update` of the same statement and values finds its rows
        here, once, and only if this transaction did not change them in between. Ask in the order in which the action
        does: locks are taken in it. What somebody above has foreseen already is not asked again.
        """
        if self._driver.straight is None:
            return
        new = {question(item.statement, item.values): item for item in asked}
        for known in new.keys() & self._asked:
            del new[known]
        if not new:
            return
        self._asked |= new.keys()
        self._flush()
        found = together(self._driver, [(item.statement, item.values) for item in new.values()])
        for item, rows in zip(new.values(), found, strict=True):
            self._foreseen.update(item.known(rows))

    def _changed(self, table: sa.Table, key: Any = None, values: Mapping[str, Any] | None = None) -> None:
        """What was foreseen of the table is of yesterday. With a key: of the row with that key, which has new values.

        A locked row is known to have them; of others nobody knows what they are now.
        """
        locked_one = by_key(table, lock=True)
        for known in [*self._foreseen]:
            statement = known[0]
            if table.name not in statement.tables:
                continue
            if key is not None and statement is locked_one:
                if known == question(locked_one, {"key": key}):
                    self._foreseen[known] = [{**row, **(values or {})} for row in self._foreseen[known]]  # type: ignore[misc]  # a dict reads like a row
            else:
                del self._foreseen[known]

    def together(self, *asked: tuple[Prepared, Mapping[str, Any]]) -> list[list[Row]]:
        """Every row of each query, in their order: one wait for all where the database is far."""
        self._flush()
        return together(self._driver, asked)  # type: ignore[return-value]  # a dict reads like a row

    def first(
        self, statement: sa.Select[Any] | Prepared, params: Mapping[str, Any] | None = None
    ) -> Row | None:
        """The first row of a query, or None."""
        if isinstance(statement, Prepared):
            return next(iter(self.all(statement, params)), None)
        self._flush()
        return self._execute(statement, params).mappings().first()

    def scalar(self, statement: sa.Select[Any] | Prepared, params: Mapping[str, Any] | None = None) -> Any:
        """The first column of the first row, or None."""
        if isinstance(statement, Prepared):
            row = self.first(statement, params)
            return None if row is None else next(iter(row.values()))
        self._flush()
        return self._execute(statement, params).scalar()

    def peek(self, statement: Prepared, params: Mapping[str, Any]) -> Any:
        """Like `scalar`, for a table that nobody gives to `add`: it need not wait for gathered rows."""
        rows: Any = self._foreseen.pop(question(statement, params), None) if self._foreseen else None
        if rows is None:
            rows = statement.rows(self._driver, params)
        return next(iter(rows[0].values())) if rows else None

    def add(self, table: sa.Table, row: dict[str, Any]) -> Row:
        """Insert a row, together with the others of the group; whoever reads or writes next finds it there."""
        self.gathered.rows.setdefault(table, []).append(row)
        return row  # type: ignore[return-value]  # a dict reads like a row

    def write(
        self,
        statement: sa.Insert | sa.Update | sa.Delete | Prepared,
        params: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    ) -> int:
        """Insert, update or delete; the number of rows."""
        self._flush()
        self.wrote = True
        if isinstance(statement, Prepared):
            if self._foreseen:
                self._changed(statement.written)
            assert not isinstance(params, Sequence), "several rows go through `add`"
            return statement.count(self._driver, params)
        return self._execute(statement, params).rowcount

    def send(self, statement: Prepared, params: Mapping[str, Any], *, lost: str | None = None) -> None:
        """Update or delete where nobody asks how many rows it was: the database may get it with what comes next.

        With `lost`, exactly one row must change: else StaleRow with these words, then or at the commit.
        """
        if self._foreseen:
            self._changed(statement.written)
        self._send(statement, params, lost)

    def _send(self, statement: Prepared, params: Mapping[str, Any], lost: str | None = None) -> None:
        self._flush()
        self.wrote = True
        statement.later(self._driver, params, None if lost is None else StaleRow(lost))

    def _execute(self, statement: Any, params: Any) -> sa.CursorResult[Any]:
        """SQLAlchemy's own way, for what is rare."""
        self._foreseen.clear()  # who knows what it does
        self._driver.settle()
        return self._connection.execute(statement, params or {})

    def get(self, table: sa.Table, key: str) -> Row | None:
        """A row by its primary key."""
        return self.first(by_key(table), {"key": key})

    def get_for_update(self, table: sa.Table, key: str | int) -> Row | None:
        """A row, locked until the end where the database locks rows.

        Lock in the fixed order agent < interaction < thread < message < text_consent < ticket < customer. Where an
        earlier one is only known from a later one (a thread's contact, a message's), read the later one without a
        lock, lock the earlier one, then the later one, and look whether it still says the same.
        """
        return self.first(by_key(table, lock=True), {"key": key})

    def change(self, table: sa.Table, row: Row, **values: Any) -> Row:
        """Update an aggregate if its version is still that of `row`; the new row.

        If it is not, StaleRow is raised, here or at the latest before the commit, and the action is run again.
        """
        key = row[table.primary_key.columns[0].name]
        fresh = {**values, "version": row["version"] + 1}
        asked = {"this_key": key, "old_version": row["version"], **new(fresh)}
        if self._foreseen:
            self._changed(table, key, fresh)
        self._send(update_version(table, tuple(fresh)), asked, f"{table.name} {key}")
        return {**row, **fresh}  # type: ignore[return-value]  # a dict reads like a row

    def update(self, table: sa.Table, key: Any, **values: Any) -> None:
        """Change a row that is locked or has one writer: no version is asked."""
        if self._foreseen:
            self._changed(table, key, values)
        self._send(update(table, tuple(values)), {"this_key": key, **new(values)})

    def next_number(self, counter: str, count: int = 1) -> int:
        """Take `count` numbers of a sequence (ticket numbers, dispatch steps); the first of them."""
        self.wrote = True
        last: int = self.all(_TAKE_NUMBERS, {"counter": counter, "count": count})[0]["value"]
        return last - count + 1

    def foresee_numbers(self, counter: str, count: int) -> Foreseen:
        """`next_number`, foreseen: the numbers are taken then, wanted or not, and given back with the transaction."""
        self.wrote = True
        return Foreseen(_TAKE_NUMBERS, {"counter": counter, "count": count})

    def set_cursor(self, name: str, position: int) -> None:
        """How far a follower has come."""
        self.wrote = True
        if not self.all(_MOVE_CURSOR, {"cursor": name, "to": position}):
            self.add(schema.cursor, {"name": name, "position": position})

    def foresee_cursor(self, name: str, position: int) -> Foreseen:
        """`set_cursor`, foreseen: it has moved then."""
        self.wrote = True
        return Foreseen(_MOVE_CURSOR, {"cursor": name, "to": position})

    @property
    def config(self) -> DeskConfig:
        """The published configuration."""
        return self._group.config

    def own_rules(self) -> None:
        """Before publishing: on every node, what acts by the rules has ended, and nothing begins before we do."""
        self._flush()
        self._driver.own_rules()

    def forget_config(self) -> None:
        """Another version was published in this transaction."""
        self._group.forget_config()

    def new_id(self, prefix: str) -> str:
        """A fresh sortable id."""
        return new_id(prefix, self.now)

    @property
    def streams(self) -> set[Stream]:
        """Where followers will find something new."""
        gathered = self.gathered
        left: dict[Stream, bool] = {
            "event": bool(gathered.events),
            "effect": bool(gathered.effects),
            "command": bool(gathered.commands),
            "timer": self.timers_set,
        }
        return {stream for stream, anything in left.items() if anything}

    # --- what follows from it -------------------------------------------------------------------------------

    def emit(self, event: Event) -> None:
        """Append to the log."""
        self.gathered.events.append(event_line(event, self.now, self.actor))

    def later(self, effect: Effect, *, due_at: Micros | None = None) -> None:
        """Queue something to do outside after the commit. Its key makes it happen once."""
        self.gathered.effects.append(
            {
                "key": effect.key,
                "kind": effect.KIND,
                "subject": effect.interaction_id,
                "account": effect.account,
                "data": fields_of(effect),
                "state": "ready",
                "attempts": 0,
                "due_at": self.now if due_at is None else due_at,
                "created_at": self.now,
                "done_at": None,
                "detail": None,
            }
        )

    def route(self, command: Command) -> None:
        """Tell the router a fact."""
        self.gathered.commands.append({"at": self.now, "body": encode(command)})

    def first_time(self, item: Input) -> bool:
        """Keep a raw input; False if this key was kept before, so that nothing happens twice."""
        key = (item.account, item.key)
        if key in self._group.gathered.input_keys or key in self.gathered.input_keys:
            return False
        if self.peek(_KNOWN_INPUT, {"account": item.account, "key": item.key}) is not None:
            return False
        self.gathered.input_keys.add(key)
        self.gathered.inputs.append(
            {
                "account": item.account,
                "key": item.key,
                "kind": item.kind,
                "at": self.now,
                "customer_id": item.customer_id,
                "body": dict(item.body),
            }
        )
        return True

    def foreseen_input(self, item: Input) -> Foreseen:
        """What `first_time` asks."""
        return Foreseen(_KNOWN_INPUT, {"account": item.account, "key": item.key})

    def input_is_about(self, customer_id: str) -> None:
        """Whose the raw input just kept is, so that it can be erased with the person."""
        if self.gathered.inputs:
            self.gathered.inputs[-1]["customer_id"] = customer_id

    # --- timers and audit -----------------------------------------------------------------------------------

    def set_timer(self, kind: str, subject: str, due_at: Micros, **data: Any) -> None:
        """(Re)start the one timer of this kind for this subject."""
        self.clear_timer(kind, subject)
        self.timers_set = True
        self.add(schema.timer, {"kind": kind, "subject": subject, "due_at": due_at, "data": data})

    def clear_timer(self, kind: str, subject: str) -> None:
        """Stop it if it runs."""
        self.send(_CLEAR_TIMER, {"kind": kind, "subject": subject})

    def set_timers(self, kind: str, subjects: Collection[str], due_at: Micros) -> None:
        """`set_timer` for each of many, in as many statements as for one."""
        if subjects:
            self.clear_timers([kind], subjects)
            self.timers_set = True
            for subject in subjects:
                self.add(schema.timer, {"kind": kind, "subject": subject, "due_at": due_at, "data": {}})

    def clear_timers(self, kinds: Collection[str], subjects: Collection[str]) -> None:
        """Stop those of these kinds that run for any of these subjects."""
        self.send(_CLEAR_TIMERS, {"kinds": sorted(kinds), "subjects": sorted(subjects)})

    def audit(self, action: str, subject: str, **data: Any) -> None:
        """A line for those who ask later who did what."""
        row = {
            "id": self.new_id("aud"),
            "at": self.now,
            "actor": self.actor,
            "action": action,
            "subject": subject,
            "data": data,
        }
        self.add(schema.audit, row)
