"""Migrated PostgreSQL databases that are used again: a test's rows go, the database stays.

To copy the template takes a third of a second, to empty its tables a few milliseconds on a connection that knows them:
a new one takes twenty to get to know them. A database goes only to another test if it is as the template was: nobody
else is connected to it any more, and its tables and indexes are the same.
"""

import time

import psycopg
from psycopg import sql

from tests.servers import PostgresServer

LEAVING_S = 0.5
"""So long a connection that was closed may take to be gone; who is there longer was forgotten by the test."""
LARGE_BYTES = 1_000_000
"""Larger tables are truncated: rows that are only deleted would be walked through by later tests."""

_SHAPE = """
SELECT md5(string_agg(concat_ws(' ', c.relname, c.relkind, a.attname, a.atttypid, a.attnotnull), ','
                      ORDER BY c.relname, a.attnum))
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.relnamespace = 'public'::regnamespace
"""
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
_OTHERS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


class PostgresPool:
    """Databases of one server."""

    def __init__(self, server: PostgresServer, template: str) -> None:
        self._server = server
        self._template = template
        self._idle: list[str] = []
        self._connections: dict[str, psycopg.Connection[tuple[object, ...]]] = {}
        self._made = 0
        self._kept: list[str] = []
        self._tables: list[str] = []
        self._shape = ""

    def take(self) -> str:
        """The name of a database that is as the template is."""
        if self._idle:
            return self._idle.pop()
        self._made += 1
        name = f"desk_{self._made}"
        self._server.execute(f"CREATE DATABASE {name} TEMPLATE {self._template} STRATEGY FILE_COPY")
        self._remember(self._connected(name))
        return name

    def give_back(self, name: str) -> None:
        """For the next test if it can be made as it was; else it is dropped."""
        connection = self._connected(name)
        if self._is_left(connection) and self._value(connection, _SHAPE) == self._shape:
            self._empty(connection)
            self._idle.append(name)
        else:
            self._connections.pop(name).close()
            self._server.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def close(self) -> None:
        """Leave the databases to the server's end."""
        while self._connections:
            self._connections.popitem()[1].close()

    def _connected(self, name: str) -> "psycopg.Connection[tuple[object, ...]]":
        """The one connection to a database, opened anew where a test cut it."""
        connection = self._connections.get(name)
        if connection is None or not self._answers(connection):
            address = self._server.url(name).replace("+psycopg", "")
            connection = self._connections[name] = psycopg.connect(address, autocommit=True)
        return connection

    @staticmethod
    def _answers(connection: "psycopg.Connection[tuple[object, ...]]") -> bool:
        try:
            connection.execute("SELECT 1")
        except psycopg.OperationalError:
            connection.close()
            return False
        return True

    def _remember(self, connection: "psycopg.Connection[tuple[object, ...]]") -> None:
        """The shape, and the rows that the migrations made, in a schema that nobody looks into."""
        self._shape = str(self._value(connection, _SHAPE))
        self._tables = [str(row[0]) for row in connection.execute(_TABLES)]
        self._kept = []
        connection.execute("CREATE SCHEMA pristine")
        for table in self._tables:
            name = sql.Identifier(table)
            if self._value(connection, sql.SQL("SELECT EXISTS (SELECT FROM {})").format(name)):
                connection.execute(sql.SQL("CREATE TABLE pristine.{} AS TABLE public.{}").format(name, name))
                self._kept.append(table)

    def _is_left(self, connection: "psycopg.Connection[tuple[object, ...]]") -> bool:
        until = time.monotonic() + LEAVING_S
        while self._value(connection, _OTHERS) != 0:
            if time.monotonic() > until:
                return False
            time.sleep(0.005)
        return True

    def _empty(self, connection: "psycopg.Connection[tuple[object, ...]]") -> None:
        """Every row gone, in one question and answer; then the template's rows again."""
        large = {
            str(row[0])
            for row in connection.execute(
                "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' "
                "AND pg_relation_size(oid) > %s",
                (LARGE_BYTES,),
            )
        }
        steps: list[sql.Composable] = [sql.SQL("BEGIN; SET LOCAL session_replication_role = replica")]
        steps += [
            sql.SQL("TRUNCATE {}" if table in large else "DELETE FROM {}").format(sql.Identifier(table))
            for table in self._tables
        ]
        steps += [
            sql.SQL("INSERT INTO public.{} SELECT * FROM pristine.{}").format(
                sql.Identifier(table), sql.Identifier(table)
            )
            for table in self._kept
        ]
        connection.execute(sql.SQL("; ").join([*steps, sql.SQL("COMMIT")]))
        connection.execute("SELECT pg_stat_reset()")

    @staticmethod
    def _value(connection: "psycopg.Connection[tuple[object, ...]]", query: "str | sql.Composed") -> object:
        row = connection.execute(query.encode() if isinstance(query, str) else query).fetchone()
        assert row is not None, "each of these queries has one row"
        return row[0]
