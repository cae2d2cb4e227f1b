"""The configuration and its drafts, as programs and screens are sent them."""

from typing import Any, Literal

from pydantic import Field

from service_desk.domain.views import Micros, View


class ConfigView(View):
    """One version. `body` is the whole document, without its number."""

    version: int
    state: Literal["published", "retired"]
    at: Micros
    actor: str = Field(description="An agent's id, or system.")
    body: dict[str, Any]


class ConfigLineView(View):
    """One version in the list."""

    version: int
    state: Literal["published", "retired"]
    at: Micros
    actor: str = Field(description="An agent's id, or system.")
    name: str | None = Field(description="The agent's; null where it was none.")
    note: str = Field(description="That of its draft; of a file or an earlier version, what says so.")


class ConfigVersionsView(View):
    """Versions, the newest first. `more` is the `before` of the next page."""

    items: list[ConfigLineView]
    more: int | None


class ConfigDraftLineView(View):
    """One draft in the list."""

    id: str
    note: str
    base_version: int
    at: Micros
    actor: str
    version: int


class ConfigDraftsView(View):
    """Drafts, the one that was saved last first."""

    items: list[ConfigDraftLineView]


class ConfigDraftView(ConfigDraftLineView):
    """A configuration that is being written. `base_version` was in force when it was saved."""

    body: dict[str, Any]


class ConfigProblemView(View):
    """`field` is dotted, `detail` says what is wrong or the cure."""

    field: str
    detail: str


class ConfigCheckView(View):
    """Whether a draft could be published now, and if not, why."""

    ok: bool
    base_is_published: bool = Field(description="False: another version was published after it was saved.")
    problems: list[ConfigProblemView]


class ConfigDifferenceView(View):
    """One place where two versions differ; `path` is dotted, with the names of parts."""

    path: str
    kind: Literal["added", "removed", "changed"]
    before: Any
    after: Any


class ConfigDiffView(View):
    """From the version in force to the draft."""

    published: int
    differences: list[ConfigDifferenceView]


class RehearsalView(View):
    """A day of the log under the rules in force and under a draft: each with figures per queue, group and in total.

    Each figure is a value with the ends of its 95 % interval; `figures` within says units and meanings. `left_out`:
    contacts of the day that nobody who was there could have answered.
    """

    day: str
    left_out: int
    before: dict[str, Any]
    after: dict[str, Any]
    difference: dict[str, Any] = Field(description="After less before, paired: the same customers in both.")
