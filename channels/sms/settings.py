"""What one account of text messages needs."""

from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from channels.twilio_settings import MessagingServiceSid, TwilioSettings

SenderNumber = Annotated[str, StringConstraints(pattern=r"^(\+[1-9][0-9]{6,14}|[0-9]{3,8})$")]
"""A telephone number in E.164, or a short code."""


class SmsSettings(TwilioSettings):
    """One Twilio account with the numbers that customers text to.

    On each number (or on the messaging service) the URL for incoming messages is
    <public base>/hooks/sms/<account>/incoming. The same URL as fallback makes a second attempt: without one
    the provider tries once and forgets.
    """

    numbers: tuple[SenderNumber, ...] = Field(min_length=1)
    """Ours. The first one sends what names no other."""
    messaging_service_sid: MessagingServiceSid | None = None
    """When set, the provider chooses the number, unless a message names one."""
    validity_s: int | None = Field(default=None, ge=60, le=36_000)
    """Seconds after which a text that still waits at the provider is given up; the provider's default is ten hours."""
    messages_per_second: float = Field(default=1.0, gt=0, le=1_000)
    """What the numbers may send together; beyond it the provider queues. A US long code has about 1."""

    @model_validator(mode="after")
    def _each_once(self) -> "SmsSettings":
        if len(set(self.numbers)) != len(self.numbers):
            raise ValueError("a number is listed twice")
        return self
