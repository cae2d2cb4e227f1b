"""Texts over Twilio Messaging: signed webhooks in, REST out."""
