"""Addresses are read by one rule: the last in angle brackets; a name is never one; nothing raises."""

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.contract import MailAddress
from channels.email.addresses import ascii_domain, fold, parse_list, parse_sender

JUNK = st.text(alphabet='ab@.<>()",;:\\ []=?éß\x00\r\n', max_size=60) | st.text(max_size=60)
LOCAL = st.text(alphabet="abcXYZ019.!#$%&'*+/=?^_`{|}~-é", min_size=1, max_size=30)
DOMAIN = st.from_regex(r"[a-zA-Z][a-zA-Z0-9]{0,10}(\.[a-z][a-z0-9]{0,8}){1,3}", fullmatch=True)


@pytest.mark.parametrize(
    ("written", "folded"),
    [
        ("Zoe@Customer.Example", "zoe@customer.example"),
        (" zoe@customer.example. ", "zoe@customer.example"),
        ('"zoe"@customer.example', "zoe@customer.example"),
        ('"zoe dan"@customer.example', '"zoe dan"@customer.example'),
        ('"a@b"@customer.example', '"a@b"@customer.example'),
        ("zoe@xn--bcher-kva.example", "zoe@bücher.example"),
        ("zoe@BU\u0308CHER.example", "zoe@bücher.example"),
        ("用户@例子.广告", "用户@例子.广告"),
        ("zoe@[192.0.2.1]", "zoe@[192.0.2.1]"),
        ("zoe@[IPv6:2001:DB8:0::1]", "zoe@[ipv6:2001:db8::1]"),
        ("a..b.@docomo.example", "a..b.@docomo.example"),
        ("a@b@c.example", None),
        ("zoe", None),
        ("@customer.example", None),
        ("zoe@", None),
        ("zoe@a b.example", None),
        ("zoe@-a.example", None),
        ("zoe@[300.0.2.1]", None),
        ("zo\x00e@customer.example", None),
        ("zo\u200be@customer.example", None),
        ("x" * 65 + "@customer.example", None),
        ("zoe@" + "x" * 64 + ".example", None),
        ("", None),
    ],
)
def test_folding(written: str, folded: str | None) -> None:
    assert fold(written) == folded


@pytest.mark.parametrize(
    ("written", "addresses", "doubted"),
    [
        ("Zoë Dan <zoe@a.example>", [("zoe@a.example", "Zoë Dan")], False),
        ('"Dan, Zoë" <zoe@a.example>', [("zoe@a.example", "Dan, Zoë")], False),
        ("zoe@a.example (Zoë)", [("zoe@a.example", "Zoë")], False),
        ("a@a.example, B <b@b.example>", [("a@a.example", ""), ("b@b.example", "B")], False),
        ("Team: a@a.example, b@b.example;, c@c.example", [(f"{c}@{c}.example", "") for c in "abc"], False),
        ("undisclosed-recipients:;", [], False),
        ("<@hop.example,@b.example:zoe@a.example>", [("zoe@a.example", "")], False),
        ("=?utf-8?q?Zo=C3=AB?= =?utf-8?q?_Dan?= <zoe@a.example>", [("zoe@a.example", "Zoë Dan")], False),
        ('"zoe@a.example" <zoe@a.example>', [("zoe@a.example", "zoe@a.example")], False),
        ("alice@good.example <bob@evil.example>", [("bob@evil.example", "alice@good.example")], True),
        ("<alice@good.example> <bob@evil.example>", [("bob@evil.example", "")], True),
        (
            "=?utf-8?q?alice=40good.example?= <bob@evil.example>",
            [("bob@evil.example", "alice@good.example")],
            True,
        ),
        ('"<alice@good.example>" <bob@evil.example>', [("bob@evil.example", "<alice@good.example>")], True),
        ("bob@evil.example (alice@good.example)", [("bob@evil.example", "alice@good.example")], True),
        ("alice@good.example bob@evil.example", [("bob@evil.example", "")], True),
        ("Zoe zoe @ a.example", [("zoe@a.example", "Zoe")], True),
        ("Zoe (the boss <zoe@a.example>", [("zoe@a.example", "Zoe (the boss")], True),
        ("Zoe <zoe@a.example", [("zoe@a.example", "Zoe")], True),
        ("Zoe <zoe>", [], True),
    ],
)
def test_a_field(written: str, addresses: list[tuple[str, str]], doubted: bool) -> None:
    found = parse_list(written)
    assert [(one.address, one.name) for one in found.addresses] == addresses
    assert bool(found.doubts) is doubted


def test_several_authors_or_fields_are_doubted_and_the_last_field_wins() -> None:
    assert parse_sender(["a@a.example", "b@b.example"]) == (
        MailAddress("b@b.example"),
        ("there are several From fields",),
    )
    assert parse_sender(["a@a.example, b@b.example"])[1] == ("there are several authors",)
    assert parse_sender([]) == (None, ("nobody is named as the author",))


@given(JUNK)
def test_nothing_raises_and_folding_is_final(text: str) -> None:
    for address in parse_list(text).addresses:
        assert fold(address.address) == address.address
        assert unicodedata.is_normalized("NFC", address.address)
        assert address.name.isprintable()
    folded = fold(text)
    assert folded is None or fold(folded) == folded


@given(LOCAL, DOMAIN)
def test_what_is_an_address_is_read_as_it(local: str, domain: str) -> None:
    written = f"{local}@{domain}"
    folded = fold(written)
    assert folded is not None
    assert [one.address for one in parse_list(f'"Somebody" <{written}>').addresses] == [folded]
    ascii_form = ascii_domain(folded)
    assert (ascii_form is None) == (not folded.isascii())


@given(JUNK, DOMAIN)
def test_no_name_is_taken_for_the_address_behind_it(name: str, domain: str) -> None:
    """Whatever a stranger puts into a quoted name: the address is the one in the angle brackets."""
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    found = parse_list(f'"{quoted}" <bob@{domain}>').addresses
    assert [one.address for one in found] == [f"bob@{domain.lower()}"]


@pytest.mark.parametrize(
    "piece", ["(", "<", '"', "[", ",", ":", ";", "\\", "(<", '<"', "a@b.example,", "@ ", "((", "=?a?q?"]
)
def test_hostile_lists_take_no_time(piece: str) -> None:
    started = time.process_time()
    parse_list(piece * (200_000 // len(piece)))
    assert time.process_time() - started < 3
