"""The API's description: true of every answer that Schemathesis can provoke, and complete."""

import asyncio
import json
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from service_desk.storage.store import Reader
from service_desk.storage.transaction import Tx
from service_desk.web import sessions
from service_desk.web.openapi import PUBLIC, Routes
from service_desk.web.routes import operations
from service_desk.web.schemas import openapi_document
from tests.quick import quick_hash
from tests.service_desk.web.world import World, a_world

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    negative_data_rejection,
]


class Running:
    """A desk on a loop of its own, for a client that blocks."""

    def __init__(self, url: str, tmp_path: Path) -> None:
        self.ids: dict[str, str] = {}
        self.base = ""
        self.headers: dict[str, str] = {}
        self._ready: Future[None] = Future()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(
            target=self._loop.run_until_complete, args=(self._run(url, tmp_path),)
        )
        self._thread.start()
        self._ready.result(60)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)
        self._loop.close()

    async def _run(self, url: str, tmp_path: Path) -> None:
        try:
            async with a_world(url, tmp_path) as world:
                await self._fill(world)
                self.base = world.settings.public_base
                self._ready.set_result(None)
                await self._stop.wait()
        except BaseException as error:
            if not self._ready.done():
                self._ready.set_exception(error)
            raise

    async def _fill(self, world: World) -> None:
        """A signed-in supervisor with a contact, a customer and a ticket."""
        ada = await world.person("ada", "supervisor")
        await world.ready(ada)
        interaction_id = await world.served(ada, await world.chat())
        seen = (await ada.get(f"/api/v1/interactions/{interaction_id}")).json()
        ticket = await world.ticket(interaction_id=interaction_id)
        assert ada.cookie is not None
        assert ada.csrf is not None
        self.headers = {"Cookie": ada.cookie, "X-CSRF-Token": ada.csrf}
        self.ids = {
            "interaction_id": interaction_id,
            "ticket_id": ticket["id"],
            "customer_id": seen["customer_id"],
            "offer_id": "off_0",
        }


@pytest.fixture(scope="module")
def running(_sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("openapi")
    path = folder / "desk.sqlite3"
    path.write_bytes(_sqlite_template.read_bytes())
    decoy = quick_hash("nobody's")  # what is described is the answer, not the work before it
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sessions, "_decoy", lambda: decoy)
        started = Running(f"sqlite:///{path}", folder)
        yield started
        started.close()


@pytest.fixture(scope="module")
def described(running: Running) -> Any:
    """The description without what the session's headers answer: those are sent each time, whatever is made up."""
    document = json.loads(openapi_document(operations()))
    for path in document["paths"].values():
        for operation in path.values():
            operation["parameters"] = [
                one for one in operation["parameters"] if one["name"] != "X-CSRF-Token"
            ]
            del operation["security"]
    del document["components"]["securitySchemes"]
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=running.base)
    refusing = schema.config.checks.negative_data_rejection
    refusing.expected_statuses = [
        *refusing.expected_statuses,
        "413",
    ]  # the body's limit comes before its fields'
    return schema


NAMES = [operation.name for operation in operations() if operation.name != "sign_out"]


@pytest.mark.parametrize("name", NAMES)
def test_every_answer_is_as_described(running: Running, described: Any, name: str) -> None:
    operation = described.find_operation_by_id(name)

    @hypothesis.settings(
        max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @hypothesis.given(case=_cases(operation), real=hypothesis.strategies.booleans())
    def answers_as_described(case: Any, real: bool) -> None:
        if real:  # half of the time about something that is there
            case.path_parameters = {**(case.path_parameters or {}), **_known(running, case.path_parameters)}
        case.call_and_validate(headers=running.headers, checks=CHECKS)

    answers_as_described()


def _cases(operation: Any) -> hypothesis.strategies.SearchStrategy[Any]:
    """Requests as described, and others."""
    right: hypothesis.strategies.SearchStrategy[Any] = operation.as_strategy()
    return (
        right | operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)
        if _has_input(operation)
        else right
    )


def _has_input(operation: Any) -> bool:
    return bool(operation.body or operation.query or operation.path_parameters)


def _known(running: Running, parameters: Any) -> dict[str, str]:
    return {key: value for key, value in running.ids.items() if key in (parameters or {})}


def test_every_operation_is_described_with_its_needs() -> None:
    document = json.loads(openapi_document(operations()))
    assert document["openapi"].startswith("3.1")
    for operation in operations():
        found = document["paths"][operation.path][operation.method.lower()]
        assert found["operationId"] == operation.name
        assert found["summary"].endswith(".")
        headers = {one["name"] for one in found["parameters"] if one["in"] == "header"}
        public = operation.needs is PUBLIC
        assert ("X-CSRF-Token" in headers) is (operation.method != "GET" and not public)
        assert ("Idempotency-Key" in headers) is (operation.method == "POST" and not public)
        asks = operation.method in ("PUT", "PATCH") or "version" in operation.hints
        assert ("If-Match" in headers) is asks
        assert ("requestBody" in found) is (operation.method not in ("GET", "DELETE"))
        assert (found["security"] == []) is public
    names = [operation.name for operation in operations()]
    assert len(set(names)) == len(names)


def test_a_slip_in_a_handler_is_found_at_import() -> None:
    routes = Routes("x")

    with pytest.raises(TypeError, match="tickt_id"):

        @routes.get("/x/{ticket_id}", needs="ticket.read")
        def one(reader: Reader, tickt_id: str) -> None: ...

    with pytest.raises(TypeError, match="must be a Tx"):

        @routes.post("/x", needs="ticket.write")
        def two(reader: Reader) -> None: ...

    with pytest.raises(TypeError, match="must be a Reader"):

        @routes.get("/x", needs="ticket.write")
        def three(tx: Tx) -> None: ...
