"""What pydantic finds is said in the desk's own words, in settings, rules and requests alike."""

from datetime import date
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, IPvAnyNetwork, TypeAdapter, ValidationError

from service_desk.settings import BadSettings, load_settings
from service_desk.web.serving import invalid
from service_desk.wording import in_words


class Small(BaseModel):
    model_config = ConfigDict(extra="forbid")
    size: int


@pytest.mark.parametrize(
    ("shape", "value", "words"),
    [
        (Annotated[int, Field(ge=1)], 0, "must be at least 1"),
        (Annotated[float, Field(gt=0)], 0, "must be more than 0"),
        (Annotated[int, Field(le=86_400)], 90_000, "must be at most 86,400"),
        (Annotated[float, Field(lt=0.5)], 1, "must be less than 0.5"),
        (Annotated[date, Field(ge=date(2000, 1, 1))], "1999-01-01", "must be at least 2000-01-01"),
        (Annotated[str, Field(min_length=1)], "", "must have at least 1 character"),
        (Annotated[str, Field(max_length=2)], "abc", "must have at most 2 characters"),
        (Annotated[list[int], Field(max_length=1)], [1, 2], "must have at most 1 part"),
        (Annotated[str, Field(pattern="^x$")], "y", "must be written like x"),
        (Literal["a", "b"], "c", "must be 'a' or 'b'"),
        (str, 1, "must be a text"),
        (int, "one", "must be a whole number"),
        (int, 1.5, "must be a whole number"),
        (float, "one", "must be a number"),
        (bool, "perhaps", "must be true or false"),
        (list[int], 1, "must be a list"),
        (tuple[int, ...], 1, "must be a list"),
        (dict[str, int], 1, "must be a table of names and values"),
        (Small, 1, "must be a table of names and values"),
        (Small, {}, "this field is missing"),
        (Small, {"size": 1, "colour": 1}, "this field is not known here: leave it out"),
        (date, "soon", "must be a date like 2026-12-24"),
        (IPvAnyNetwork, "home", "must be a network like 10.0.0.0/8"),
    ],
)
def test_a_fault_is_said_in_our_words(shape: Any, value: Any, words: str) -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(shape).validate_python(value)
    (detail,) = refused.value.errors(include_input=False, include_url=False)
    assert in_words(detail, {"^x$": "like x"}) == words


def test_settings_and_requests_speak_alike() -> None:
    with pytest.raises(BadSettings, match=r"server.port: must be at most 65,535$"):
        load_settings(server={"port": 70_000})
    with pytest.raises(ValidationError) as refused:
        Small.model_validate_json("{")
    assert invalid(refused.value).detail.startswith("body: is not valid JSON: EOF")
    with pytest.raises(ValidationError) as refused:
        Small.model_validate({"size": "x"})
    assert invalid(refused.value).detail == "size: must be a whole number."
