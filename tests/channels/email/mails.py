"""One mailbox with its keys, and mails as strangers write them: ordinary ones and a corpus of bad ones."""

from typing import Any

from channels.contract import MailEnvelope
from channels.email.parse import Reading
from channels.email.settings import EmailSettings
from channels.email.threads import ThreadTokens, TokenKey

MAILBOX = "help@desk.example"
CUSTOMER = "zoe@customer.example"
THREAD = "int_01hzyabcdefghjkmnpqrstvwxy"
KEY = TokenKey("k1", b"a" * 32)
TOKENS = ThreadTokens([KEY])
READ = Reading((MAILBOX,), TOKENS)
ENVELOPE = MailEnvelope(CUSTOMER, (MAILBOX,), "192.0.2.1", "mx.customer.example")
PASSWORD = "relay-password-0123456789"


def email_settings(**overrides: Any) -> EmailSettings:
    values: dict[str, Any] = {
        "mailbox": MAILBOX,
        "display_name": "Help",
        "relay": {"host": "127.0.0.1", "port": 25, "tls": "none"},
    }
    return EmailSettings.model_validate(values | overrides)


def mail(body: bytes | str = "Hello", /, **fields: str | bytes | None) -> bytes:
    """A mail with the usual header; a field that is None is left out, `_` in names stands for -."""
    usual: dict[str, str | bytes | None] = {
        "From": f"Zoë <{CUSTOMER}>",
        "To": MAILBOX,
        "Subject": "Oven",
        "Date": "Sat, 21 Nov 2026 10:00:00 +0100",
        "Message_ID": "<1@customer.example>",
    }
    lines = b""
    for name, value in (usual | fields).items():
        if value is not None:
            written = value if isinstance(value, bytes) else value.encode()
            lines += name.replace("_", "-").encode() + b": " + written + b"\r\n"
    return lines + b"\r\n" + (body if isinstance(body, bytes) else body.replace("\n", "\r\n").encode())


def multipart(kind: str, *parts: bytes, boundary: str = "xyz") -> bytes:
    """A body of several parts; each part brings its own header fields."""
    marker = f"--{boundary}".encode()
    inside = b"".join(marker + b"\r\n" + part + b"\r\n" for part in parts)
    return mail(inside + marker + b"--\r\n", Content_Type=f'multipart/{kind}; boundary="{boundary}"')


def part(content: bytes | str, media_type: str = "text/plain; charset=utf-8", **fields: str) -> bytes:
    head = f"Content-Type: {media_type}\r\n"
    head += "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return head.encode() + b"\r\n" + (content if isinstance(content, bytes) else content.encode())


PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))

REPORT = multipart(
    "report",
    part("Could not be delivered."),
    part(
        "Reporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822; Gone@Customer.Example\nAction: failed\n"
        "Status: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 unknown\n",
        "message/delivery-status",
    ),
    part(f"Message-ID: <abc@desk.example>\nFrom: {MAILBOX}\nSubject: Re: Oven\n", "text/rfc822-headers"),
).replace(b"multipart/report;", b"multipart/report; report-type=delivery-status;")

ORDINARY = (
    mail(),
    multipart("alternative", part("plain"), part("<p>rich</p>", "text/html; charset=utf-8")),
    multipart(
        "mixed", part("see file"), part(PNG, "image/png", Content_Disposition='attachment; filename="a.png"')
    ),
    REPORT,
)

NESTED = b"".join(
    f'Content-Type: multipart/mixed; boundary="b{n}"\r\n\r\n--b{n}\r\n'.encode() for n in range(20_000)
)

BAD: dict[str, bytes] = {
    "empty": b"",
    "nul": b"\x00" * 1_000,
    "only line ends": b"\r\n" * 1_000,
    "no header": b"just some words\r\n",
    "no body": b"From: a@b.example\r\nSubject: x",
    "no from": mail(From=None),
    "no date": mail(Date=None),
    "no message id": mail(Message_ID=None),
    "nonsense date": mail(Date="yesterday, or 99 Foo 99999999999999999999 +9999999"),
    "two froms": mail(From="alice@good.example\r\nFrom: bob@evil.example"),
    "two addresses": mail(From="alice@good.example <bob@evil.example>"),
    "parentheses": mail(From="(" * 50_000),
    "angles": mail(To="<" * 50_000 + ">" * 50_000),
    "quotes": mail(Cc='"\\' * 30_000),
    "mbox": b"From zoe Sat Nov 21 10:00:00 2026\r\n" + mail(),
    "junk line": mail().replace(b"To:", b"this is no field\r\nTo:", 1),
    "bare returns": mail("a\nb").replace(b"\r\n", b"\r"),
    "bare newlines": mail("a\nb").replace(b"\r\n", b"\n"),
    "nul in text": mail(b"a\x00b\x00"),
    "eight bit header": mail(Subject="Grüße".encode("latin-1")),
    "half word": mail(
        Subject="=?utf-8?b?R3I=?= =?utf-8?q?=C3?= =?utf-8?q?=BC=C3?= =?utf-8?q?=9Fe?= =?utf-8?"
    ),
    "unknown charset": mail(b"Gr\xc3\xbc\xc3\x9fe", Content_Type="text/plain; charset=klingon"),
    "lying charset": mail(b"Gr\xc3\xbc\xc3\x9fe", Content_Type="text/plain; charset=us-ascii"),
    "broken utf-8": mail(b"Gr\xfc\xdfe \xff", Content_Type="text/plain; charset=utf-8"),
    "idna": mail(b"Gr\xc3\xbc\xc3\x9fe", Content_Type="text/plain; charset=idna"),
    "punycode": mail(b"Gr\xc3\xbc\xc3\x9fe", Content_Type="text/plain; charset=punycode"),
    "undefined": mail(b"Gr\xc3\xbc\xc3\x9fe", Content_Type="text/plain; charset=undefined"),
    "utf-7": mail(b"+ADw-script+AD4-", Content_Type="text/html; charset=utf-7"),
    "hex": mail(b"zz", Content_Type="text/plain; charset=hex"),
    "zlib": mail(b"zz", Content_Type="text/plain; charset=zlib"),
    "broken base64": mail("SGVsbG8!!gd29ybGQ$", Content_Transfer_Encoding="base64"),
    "broken quoted-printable": mail("a=zz=\n=3D=", Content_Transfer_Encoding="quoted-printable"),
    "unknown encoding": mail("x", Content_Transfer_Encoding="rot13"),
    "no boundary": mail("x", Content_Type="multipart/mixed"),
    "no parts": mail("x", Content_Type='multipart/mixed; boundary="q"'),
    "no end": multipart("mixed", part("one"), part("two")).replace(b"--xyz--\r\n", b""),
    "nested": mail(b"", Content_Type='multipart/mixed; boundary="x"') + b"--x\r\n" + NESTED,
    "many parts": multipart("mixed", *[part("x")] * 5_000),
    "boundaries without line ends": mail(b"--xyz" * 200_000, Content_Type="multipart/mixed; boundary=xyz"),
    "same boundary inside": multipart("mixed", multipart("mixed", part("inner"))),
    "huge header": mail(X_Junk="x" * 3_000_000),
    "many headers": b"X: y\r\n" * 50_000 + mail(),
    "many parameters": mail(Content_Type="text/plain" + "; a=b" * 50_000),
    "bad type": mail(Content_Type="text"),
    "worse type": mail(Content_Type='"; ;;=;"/'),
    "winmail": multipart(
        "mixed",
        part("x"),
        part(
            b"\x78\x9f\x3e\x22",
            "application/ms-tnef",
            Content_Disposition='attachment; filename="winmail.dat"',
        ),
    ),
    "tangled html": mail("<div>" * 100_000, Content_Type="text/html"),
    "ampersands": mail("&" * 500_000, Content_Type="text/html"),
    "unclosed comments": mail("<!--" * 100_000, Content_Type="text/html"),
    "many attributes": mail("<p " + "a=1 " * 100_000 + ">x", Content_Type="text/html"),
    "marks": mail("a" + "\u0301" * 100_000 + "\u0316" * 100_000, Content_Type="text/plain; charset=utf-8"),
    "long text": mail("word " * 1_000_000),
    "long line": mail("x" * 5_000_000),
    "quote markers": mail("> " * 200_000 + "\n>" * 30_000),
    "half surrogates": mail(b"\xed\xa0\x80 x", Content_Type="text/plain; charset=utf-8"),
    "references": mail(References="<a@b> " * 20_000, In_Reply_To="no id"),
    "rfc2231": mail("x", Content_Type="text/plain; charset*=utf-8''%ff; name*99*=x; name*0*='''; name*x=1"),
    "uu": mail("begin 644 a.txt\n#0V%T\n`\nend\n", Content_Transfer_Encoding="x-uuencode"),
    "digest": mail(
        b"--q\r\n\r\nSubject: inner\r\n\r\nx\r\n--q--", Content_Type="multipart/digest; boundary=q"
    ),
}
