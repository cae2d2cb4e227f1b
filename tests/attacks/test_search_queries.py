"""Whatever is typed into the search field is words or a clear refusal: never syntax, never a fault, never slow."""

import time
from urllib.parse import quote

import pytest

from tests.service_desk.search.library import index_now
from tests.service_desk.web.world import Caller, World

SYNTAX = (
    '"', '""', "'", "''", "*", "oven*", "*oven", '"oven', 'oven"', "oven'", "oven)", "(oven", "oven:*", "words:oven",
    "^oven", "-oven", "+oven", "oven & !cold", "oven | cold", "oven <-> cold", "oven <2> cold", "!oven", "!!oven",
    "oven:A", "\\oven", "oven\\", "oven\\'", "NEAR(oven cold)", "oven AND cold", "oven OR cold", "oven NOT cold",
    "{words}: oven", "oven; DROP TABLE ticket", "oven' OR '1'='1", "oven') UNION SELECT password_hash FROM agent --",
    "%oven%", "oven_", "%(match)s", ":match", "$1", "?", "oven\x00", "\x00oven", "oven\x07\x1b[31m",
    "\u202eoven\u202c", "\u200eoven", "oven\ufeff", "o\u00adven", "oven\ud7ff", "oven\ue000", "oven\U0010ffff",
    "\u0301oven", "oven\u0301\u0301\u0301", "\U0001f600 oven", "${oven}", "{{oven}}", "<script>oven</script>",
    "../../oven", "oven\r\nX: y",
)  # fmt: skip
NOTHING = (
    "",
    " ",
    "%",
    "*",
    "%%%",
    "***",
    "%*",
    '"',
    "''",
    "\x00",
    "\u200f",
    "\u0301",
    "....",
    "-",
    "()",
    "\U0001f600",
    "\ue000",
)


async def ask(caller: Caller, text: str, more: str = "") -> tuple[int, dict[str, object]]:
    answer = await caller.get(f"/api/v1/search?q={quote(text, safe='', errors='surrogatepass')}{more}")
    return answer.status, answer.json()


@pytest.fixture
async def ada(world: World) -> Caller:
    await world.ticket(subject="Oven stays cold", description="An oven, cold.")
    await index_now(world.desk)
    return await world.person("ada")


async def test_nothing_that_is_typed_is_syntax(ada: Caller) -> None:
    for text in SYNTAX:
        for more in ("", "&kind=ticket", "&kind=note"):
            status, body = await ask(ada, text, more)
            assert status == 200 or (status == 422 and body["field"] == "q"), (text, more, body)
    for text in (
        "oven*",
        '"oven',
        "oven:*",
        "-oven",
        "^oven",
        "\u202eoven\u202c",
        "o\u00adven",
        "oven\x00",
        "%oven%",
        "oven\ufeff",
    ):
        assert (await ask(ada, text))[1]["groups"], f"{text!r} is the word and nothing else"
    for text in ("oven NOT cold", "oven OR warm", "words:oven", "oven | warm", "{words}: oven"):
        assert not (await ask(ada, text))[1]["groups"], f"{text!r} is only words, and they are not all there"


async def test_where_there_is_nothing_to_search_the_field_is_named(ada: Caller) -> None:
    for text in NOTHING:
        status, body = await ask(ada, text)
        assert (status, body["field"], body["code"]) == (422, "q", "validation"), repr(text)


async def test_long_queries_are_refused_and_long_allowed_ones_are_quick(ada: Caller) -> None:
    for text in ("a" * 10_000, "ü" * 1_000, "a " * 3_000, "漢" * 500, "a" * 201, "x" * 64 + " " + "1" * 200):
        status, body = await ask(ada, text)
        assert (status, body["field"]) == (422, "q"), len(text)
    many = " ".join("abcdefghijklmnopqrstuvwxyz0123456"[:33])
    assert (await ask(ada, many))[0] == 422
    for text in (
        "a" * 200,
        "漢" * 200,
        "a-b-c-d " * 24,
        "1" * 200,
        "+" * 199 + "1",
        "(0) " * 32,
        "1 " * 32,
        "é" * 200,
        "a'" * 100,
    ):
        started = time.perf_counter()
        status, body = await ask(ada, text)
        assert status in (200, 422), (text, body)
        assert time.perf_counter() - started < 2, text


async def test_texts_that_are_made_to_break_the_index(world: World) -> None:
    texts = [
        "'" * 50,
        "\\" * 50,
        "a:1,2 'b':3",
        "漢" * 4_000,
        "x" * 15_000,
        "1 " * 7_000,
        "é\u0301" * 500,
        "\ue000tw" * 10,
        "ab " * 5_000,
    ]
    for number, text in enumerate(texts):
        await world.ticket(subject=f"Case {number}", description=f"{text} findme")
    await index_now(world.desk)
    sue = await world.person("sue", "supervisor")
    status, body = await ask(sue, "findme", "&kind=ticket")
    groups = body["groups"]
    assert isinstance(groups, list)
    assert (status, len(groups[0]["items"])) == (200, len(texts))
