"""What people type as addresses: read as they mean it, or refused."""

import pytest

from service_desk.domain.contact_point import fold_typed, region_of_language, region_of_phone


@pytest.mark.parametrize(
    ("text", "regions", "value"),
    [
        ("030 901820", ["DE"], "+4930901820"),
        ("(415) 555-0100", ["US"], "+14155550100"),
        ("415.555.0100", ["DE", "US"], "+494155550100"),  # the likeliest country wins where both have it
        ("044 668 18 00", ["CH", "DE"], "+41446681800"),
        ("06 12 34 56 78", ["US", "FR"], "+33612345678"),  # the first country has no such number
        ("090-1234-5678", ["JP"], "+819012345678"),
        ("0049 30 901820", ["US"], "+4930901820"),  # dialled abroad as Europe does, on a desk in America
        ("011 49 30 901820", ["US"], "+4930901820"),
        ("+49 (0)30 901820", [], "+4930901820"),
        ("tel:+1-415-555-0100", [], "+14155550100"),
        ("0171 1234567 ext. 5", ["DE"], "+491711234567"),
        ("\u202a+49 30 901820\u202c", [], "+4930901820"),  # as copied from a page that marks directions
        (
            "\uff10\uff13\uff10 \uff19\uff10\uff11\uff18\uff12\uff10",
            ["DE"],
            "+4930901820",
        ),  # full-width digits
        ("\u0660\u0661\u0660\u0660\u0661\u0662\u0663\u0664\u0665\u0666\u0667", ["EG"], "+201001234567"),
        ("Vera Sample <Vera@Example.ORG>", [], "vera@example.org"),
        ("mailto:vera@example.org", [], "vera@example.org"),
        ("Иван@пример.рф", [], "иван@пример.рф"),
    ],
)
def test_understood(text: str, regions: list[str], value: str) -> None:
    point = fold_typed(text, regions)
    assert point is not None
    assert point.value == value
    assert fold_typed(point.display, []) == point, "what is shown can be typed again anywhere"


@pytest.mark.parametrize(
    "text",
    ["", "  ", "hello", "555-0100", "110", "1234", "call 415 555 0100", "+1 415 555 0100, John", "a@b@c",
     "@example.org", "a b@example.org", "+" * 300, "9" * 300, "+999 123456789", "1" * 5 + "@", "<script>@x"],
)  # fmt: skip
def test_refused(text: str) -> None:
    assert fold_typed(text, ["US"]) is None


def test_countries() -> None:
    assert region_of_phone("+4930901820") == "DE"
    assert region_of_phone("+80012345678") is None  # a number of no country
    assert [region_of_language(tag) for tag in ("de-AT", "zh-Hant-TW", "de", None)] == [
        "AT",
        "TW",
        None,
        None,
    ]
