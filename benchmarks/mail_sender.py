"""Customers who mail, in a process of their own: python -m benchmarks.mail_sender PORT SECONDS CONNECTIONS.

A closed loop: each connection sends one mail after the other by SMTP, each from another customer about something
new, with a plain and a rich part, about 4 kB. Prints {"taken", "elapsed_s", "p50_ms", "p99_ms", "faults"} as JSON; a
mail is taken when the server said 250, which it says after the commit.
"""

import asyncio
import json
import sys
import time
from email.message import EmailMessage

import aiosmtplib

from benchmarks.percentiles import percentile

WORDS = "the oven stays cold since yesterday and the display says E27 although we reset it twice as the manual says "


def letter(sender: int, number: int) -> EmailMessage:
    """A mail unlike every other."""
    mail = EmailMessage()
    mail["From"] = f"Customer {sender}-{number} <customer{sender}-{number}@customers.example>"
    mail["To"] = "help@desk.example"
    mail["Subject"] = f"The oven {sender}-{number} stays cold"
    mail["Message-ID"] = f"<{sender}.{number}.{time.time_ns()}@customers.example>"
    mail.set_content(WORDS * 12)
    mail.add_alternative(f"<p>{WORDS * 12}</p>", subtype="html")
    return mail


async def send(port: int, sender: int, until: float, times: list[float], faults: list[str]) -> None:
    """One connection, until the time is over."""
    number = 0
    async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False) as client:
        while time.perf_counter() < until:
            number += 1
            begun = time.perf_counter()
            try:
                await client.send_message(letter(sender, number))
                times.append(time.perf_counter() - begun)
            except aiosmtplib.SMTPException as error:
                faults.append(str(error)[:80])


async def main(port: int, seconds: float, connections: int) -> None:
    """All connections at once."""
    times: list[float] = []
    faults: list[str] = []
    started = time.perf_counter()
    until = started + seconds
    await asyncio.gather(*(send(port, sender, until, times, faults) for sender in range(connections)))
    told = {
        "taken": len(times),
        "elapsed_s": time.perf_counter() - started,
        "p50_ms": percentile(times or [float("inf")], 50) * 1_000,
        "p99_ms": percentile(times or [float("inf")], 99) * 1_000,
        "faults": faults[:5],
    }
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])))
