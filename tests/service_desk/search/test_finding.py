"""What is found, and in which order, on both databases."""

import pytest

from service_desk.clock import SECOND
from service_desk.desk import Desk
from service_desk.storage import schema
from service_desk.storage.transaction import Tx
from tests.service_desk.people import open_chat
from tests.service_desk.search.library import case, do, hits, ids, index_now, look, marked, somebody


@pytest.mark.parametrize(
    "typed",
    [
        "Müller", "müller", "MULLER", "Mueller", "mueller", "mull", "muel", "mü", "m", "Jürgen Müller",
        "muller jur", "Müller, Jürgen", "ju\u0308rgen", "\u200fMüller\u200e", "\uff2d\u00fcller",
        "jürgen m", '"Müller" * %',
    ],
)  # fmt: skip
async def test_names_in_every_way_of_writing(plain: Desk, typed: str) -> None:
    wanted = await do(plain, somebody, "Jürgen Müller", phone="+4917612345678")
    await do(plain, somebody, "Jörg Millner", phone="+4917612345679")
    await index_now(plain)
    assert (await ids(plain, typed, kind="customer"))[:1] == [wanted] or typed in ("m", "mü")
    assert wanted in await ids(plain, typed)


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("Mueller", "Mueller"), ("Håkan Ångström", "angstrom"), ("Søren", "soren"), ("Łukasz", "lukasz"),
        ("Groß", "gross"), ("O'Neill", "oneill"), ("O’Neill", "o'neill"), ("Anne-Marie", "annemarie"),
        ("Nguyễn Thị", "nguyen thi"), ("李小龙", "小龙"), ("Владимир", "влад"), ("Ёлкин", "елкин"),
        ("ﾀﾅｶ", "タナカ"), ("محمد", "مُحَمَّد"), ("Ελένη", "ελενη"), ("สมชาย", "ชาย"),
        ("김민준", "김민"), ("हिन्दी", "हिन्दी"),
    ],
)  # fmt: skip
async def test_names_of_the_world(plain: Desk, name: str, typed: str) -> None:
    wanted = await do(plain, somebody, name)
    await do(plain, somebody, "Somebody Else")
    await index_now(plain)
    assert await ids(plain, typed) == [wanted]


@pytest.mark.parametrize(
    "typed",
    [
        "+4917612345678", "+49 176 12345678", "+49 (0)176 123 456 78", "0049 176 12345678", "0176 12345678",
        "0176/123-456-78", "(0176) 12345678", "176 12345678", "01761234", "+49176123", "4917612345678", "5678",
        "45678", "2345678", "123 456 78", "٠١٧٦ ١٢٣٤٥٦٧٨",
    ],
)  # fmt: skip
async def test_phone_numbers_in_every_way_of_writing(plain: Desk, typed: str) -> None:
    wanted = await do(plain, somebody, "Vera", phone="+4917612345678")
    await do(plain, somebody, "Paul", phone="+4917699999999")
    await index_now(plain)
    assert await ids(plain, typed) == [wanted]
    shown = (await hits(plain, typed))[0]
    assert marked(shown.excerpt, shown.excerpt_hits) == ["+49 176 12345678"]


@pytest.mark.parametrize(
    "typed",
    [
        "anna.lind@mail.example.org",
        "ANNA.LIND@",
        "anna.lind",
        "lind@mail",
        "mail.example",
        "example.org",
        "@example.o",
    ],
)
async def test_mail_addresses_by_any_part(plain: Desk, typed: str) -> None:
    wanted = await do(plain, somebody, None, mail="Anna.Lind@mail.example.org")
    await do(plain, somebody, None, mail="bob@other.test")
    await index_now(plain)
    assert await ids(plain, typed) == [wanted]


async def test_the_ticket_number_comes_first(plain: Desk) -> None:
    made = await do(plain, case, "Late parcel")
    number = made["number"]
    other = await do(plain, case, f"As in {number} before")
    await do(plain, somebody, "Vera", phone=f"+4917655{number}")
    text = await do(plain, case, "Another", f"see {number}")
    await index_now(plain)
    for typed in (str(number), f"#{number}", f" {number} "):
        view = await look(plain, typed)
        kinds = ["ticket"] if "#" in typed else ["ticket", "customer"]  # no phone number begins with it
        assert [group.kind for group in view.groups] == kinds
        assert [(hit.id, hit.match) for hit in view.groups[0].items] == [
            (made["id"], "exact"),
            (other["id"], "head"),
            (text["id"], "text"),
        ]
    assert made["id"] in await ids(plain, str(number)[:3])


async def test_exact_before_beginning_before_text_and_newest_first(plain: Desk) -> None:
    def fill(tx: Tx) -> list[str]:
        exact = somebody(tx, "Anna Berg")
        begun = [somebody(tx, f"Anna Bergmann {number}") for number in range(3)]
        text = somebody(tx, "Paul", remark="sister of Anna Berg")
        return [exact, *begun, text]

    exact, *begun, text = await plain.run(fill)
    for number, customer in enumerate(begun):
        await plain.run(_created_at, customer, (1_700_000_000 + number) * SECOND)
    await index_now(plain)
    assert await ids(plain, "anna berg") == [exact, *reversed(begun), text]


def _created_at(tx: Tx, customer_id: str, at: int) -> None:
    tx.update(schema.customer, customer_id, created_at=at)


async def test_texts_with_an_excerpt_and_its_hits(plain: Desk) -> None:
    long = (
        "Guten Tag. " * 40
        + "Mein Backofen 😀 wird nicht wärmer als 80 Grad, auch nicht mit Umluft. "
        + "Danke. " * 40
    )
    _, interaction = await open_chat(plain, "Vera", long)
    made = await do(plain, case, "Oven", "The oven\nstays\tcold\u202e", interaction_id=interaction)
    await index_now(plain)
    (hit,) = await hits(plain, "backofen warmer", kind="message")
    assert (hit.interaction_id, hit.author) == (interaction, "Vera")
    assert len(hit.excerpt) <= 160
    assert hit.excerpt.startswith("…")
    assert marked(hit.excerpt, hit.excerpt_hits) == ["Backofen", "wärmer"]
    (hit,) = await hits(plain, "stays col", kind="ticket")
    assert (hit.id, hit.excerpt, marked(hit.excerpt, hit.excerpt_hits)) == (
        made["id"],
        "The oven stays cold",
        ["stays cold"[:5], "cold"],
    )
    (hit,) = await hits(plain, "oven", kind="ticket")
    assert marked(hit.title, hit.title_hits) == ["Oven"]
    assert await ids(plain, "backofen kalt") == []


async def test_numbers_within_texts(plain: Desk) -> None:
    made = await do(plain, case, "Call back", "Please call 0176 / 123 45 678 or write, order AB-4711.")
    await index_now(plain)
    for typed in ("+49 176 12345678", "017612345678", "45678", "AB-4711", "ab4711", "4711"):
        assert await ids(plain, typed) == [made["id"]], typed


async def test_pages_hold_everything_once(plain: Desk) -> None:
    def fill(tx: Tx) -> set[str]:
        subjects = ["delivery", "deliveries", "other"]
        return {case(tx, f"{subjects[n % 3]} {n}", "about a delivery")["id"] for n in range(70)}

    made = await plain.run(fill)
    await index_now(plain)
    for typed in ("delivery", "deliv"):
        seen: list[str] = []
        cursor = None
        while True:
            (group,) = (await look(plain, typed, kind="ticket", cursor=cursor)).groups
            seen += [hit.id for hit in group.items]
            cursor = group.more
            if cursor is None:
                break
        assert len(seen) == len(set(seen))
        assert set(seen) == made
    overview = (await look(plain, "delivery")).groups[0]
    assert len(overview.items) == 5
    assert overview.more is not None
