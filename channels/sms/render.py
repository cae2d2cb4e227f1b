"""What the provider hears when it brings a text: nothing. Our answers go out by REST, with a status of their own."""

from twilio.twiml.messaging_response import MessagingResponse

from channels.contract import Answer, WebhookResponse

TWIML_TYPE = "text/xml; charset=utf-8"


def empty_document(answer: Answer) -> WebhookResponse:  # noqa: ARG001 - the shape of RenderAnswer
    """An empty document, for a plain body would be sent to the customer as a text."""
    document = MessagingResponse().to_xml()
    return WebhookResponse(200, str(document).encode(), TWIML_TYPE)


def nothing(answer: Answer) -> WebhookResponse:  # noqa: ARG001 - the shape of RenderAnswer
    """For status callbacks, whose answer nobody reads."""
    return WebhookResponse(204)
