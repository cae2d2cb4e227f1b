"""What one chat widget needs, and the limits of what a visitor may say."""

from pydantic import BaseModel, ConfigDict

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

MESSAGES_AT_ONCE = 20
MESSAGES_PER_SECOND = 2.0
"""What one visitor may say: so many at once, and so many for long."""


class WebChatSettings(BaseModel):
    """Nothing: what a widget offers and who may embed it is data of the desk's configuration."""

    model_config = ConfigDict(extra="forbid", frozen=True)
