"""Calls over Twilio Voice: signed webhooks in, TwiML out, REST for what happens to a living call."""
