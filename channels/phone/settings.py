"""What one phone account needs."""

from pydantic import Field

from channels.twilio_settings import AppSid, PhoneNumber, TwilioSettings


class PhoneSettings(TwilioSettings):
    """One Twilio account with the numbers that ring here."""

    twiml_app_sid: AppSid
    """The app that a softphone dials; its voice URL is <public base>/hooks/phone/<account>/agent."""
    numbers: tuple[PhoneNumber, ...] = Field(min_length=1)
    calls_per_second: float = Field(default=1.0, ge=0.1, le=50)
    """Calls to customers that the account may begin; the provider queues or refuses more. It starts with 1.

    No more than one desk begins: each call has two commits of its own before it leaves, one call after the other.
    """
