"""What one chat widget needs, and the limits of what a visitor may say."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

TEXT_CHARACTERS = 16_000
"""One message."""
NAME_CHARACTERS = 100
MAILBOX_CHARACTERS = 254
TOPIC_CHARACTERS = 100
PAGE_CHARACTERS = 2_000
LANGUAGE_CHARACTERS = 35
ID_CHARACTERS = 64
DETAILS_MAX = 20
DETAIL_KEY_CHARACTERS = 40
DETAIL_CHARACTERS = 500

Origin = Annotated[str, StringConstraints(pattern=r"^https?://[a-z0-9.-]+(:[0-9]{1,5})?$")]


class WebChatSettings(BaseModel):
    """One widget: the sites that may embed it and the topics that it offers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    allowed_origins: tuple[Origin, ...] = ()
    """Sites that may embed the widget, as exact origins; the desk's own is always allowed."""
    topics: tuple[Annotated[str, StringConstraints(min_length=1, max_length=TOPIC_CHARACTERS)], ...] = ()
    """Choices in the form before the chat. Empty: the visitor is not asked."""
    messages_per_minute: int = Field(default=60, ge=1, le=600)
