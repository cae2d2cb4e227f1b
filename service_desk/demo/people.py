"""Who works at the demo's desk, and who is served."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from service_desk.actions.admin import MEDIA_CAPACITY
from service_desk.actions.agents import SIGNED_OUT
from service_desk.clock import Micros
from service_desk.demo.book import Book, Values
from service_desk.demo.chance import Random
from service_desk.demo.words import MAIL_HOSTS, PLAIN, Language, language
from service_desk.domain import events
from service_desk.domain.contact_point import ContactPoint, fold_mailbox, fold_phone
from service_desk.ids import fingerprint
from service_desk.storage import schema

ROLES_SHOWN = ("agent", "supervisor", "admin")
ALL_QUEUES = ("service", "sales", "billing", "repair")
LANGUAGE_SHARES = (("en", 45), ("de", 35), ("es", 20))
TIER_SHARES = (("standard", 70), ("silver", 20), ("gold", 10))
NEWCOMER_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Colleague:
    """Somebody with an account. `skills` are levels from 1 to 5."""

    login: str
    name: str
    role: str
    queues: tuple[str, ...]
    skills: Mapping[str, int]
    capacity: Mapping[str, int] = field(default_factory=lambda: dict(MEDIA_CAPACITY))


TEAM = (
    Colleague("anna", "Anna Lindqvist", "agent", ALL_QUEUES, {"english": 5, "german": 4, "laundry": 3}),
    Colleague("ben", "Ben Carter", "agent", ("service", "repair"), {"english": 5, "cooling": 4}),
    Colleague("carla", "Carla Montes", "agent", ("sales", "billing"), {"spanish": 5, "english": 4}),
    Colleague("david", "David Okafor", "agent", ("service", "sales"), {"english": 5, "cooking": 3}),
    Colleague(
        "emma", "Emma Vogel", "agent", ("service", "repair"), {"german": 5, "english": 4, "laundry": 5}
    ),
    Colleague("felix", "Felix Brandt", "agent", ("repair",), {"german": 5, "cooling": 5}, {"phone": 1}),
    Colleague(
        "grace", "Grace Nakamura", "agent", ("billing", "sales"), {"english": 5}, {"phone": 1, "web_chat": 2}
    ),
    Colleague("hugo", "Hugo Salas", "agent", ("service", "billing"), {"spanish": 5, "english": 3}),
    Colleague(
        "ines", "Inés Prieto", "agent", ("repair", "service"), {"spanish": 5, "english": 4, "german": 2}
    ),
    Colleague("martin", "Martin Osei", "supervisor", ALL_QUEUES, {"english": 5, "german": 3}),
    Colleague("lucia", "Lucía Ferrer", "supervisor", ALL_QUEUES, {"spanish": 5, "english": 5}),
    Colleague("ruth", "Ruth Keller", "admin", ALL_QUEUES, {"german": 5, "english": 4}),
)


@dataclass(frozen=True, slots=True)
class Worker:
    """A colleague who has an id."""

    id: str
    person: Colleague


def hire(book: Book, since: Micros, hashes: Mapping[str, str]) -> list[Worker]:
    """Mirrors admin.add_user for the whole team; `hashes` holds a password hash per role. Signed out."""
    workers = []
    for number, person in enumerate(TEAM):
        at = since + number * 1_000
        row = book.put(
            schema.agent,
            {
                "id": book.new_id("agt", at),
                "login": person.login,
                "name": person.name,
                "password_hash": hashes[person.role],
                "role": person.role,
                "language": "en",
                "active": True,
                "queues": sorted(person.queues),
                "skills": dict(person.skills),
                "capacity": dict(person.capacity),
                "chosen": "away",
                "reason": SIGNED_OUT,
                "chosen_at": at,
                "idle_since": at,
                "lost_at": None,
                "version": 1,
            },
        )
        book.put(
            schema.audit,
            {
                "id": book.new_id("aud", at),
                "at": at,
                "actor": "system",
                "action": "user.added",
                "subject": row["id"],
                "data": {"role": person.role},
            },
        )
        workers.append(Worker(row["id"], person))
    return workers


@dataclass(slots=True)
class Client:
    """A customer while the past is being made. `appliances` are (kind, serial number)."""

    id: str
    name: str
    words: Language
    phone: ContactPoint | None
    mailbox: ContactPoint | None
    appliances: list[tuple[str, str]]
    known_since: Micros
    only: str | None = None
    visitor: Values | None = None

    @property
    def first(self) -> str:
        return self.name.split()[0]


HOTEL = "Grand Panorama Hotels"
HOTEL_NUMBERS = ("+441632960010", "+441632960011", "+441632960012")
HOUSES = (
    "Brighton",
    "Whitby",
    "Keswick",
    "Torquay",
    "Aviemore",
    "Harrogate",
    "Tenby",
    "St Andrews",
    "Bath",
    "York",
)


class Register:
    """Makes customers with their contact points, each number and mailbox once."""

    def __init__(self, book: Book, since: Micros) -> None:
        self._book = book
        self._since = since
        self._companies: dict[str, str] = {}
        self._numbers = {code: self._free_numbers(language(code)) for code, _ in LANGUAGE_SHARES}
        self._mailboxes: set[str] = set()

    def _free_numbers(self, words: Language) -> Iterator[tuple[str, str]]:
        """Numbers with their zone, the ranges in turn, in steps that spread them."""
        step = 37  # prime to the sizes of all ranges, so that no number comes twice
        for turn in range(max(each.count for each in words.numbers)):
            for each in words.numbers:
                if turn < each.count:
                    yield f"+{int(each.first) + turn * step % each.count}", each.zone

    def hotel(self) -> Client:
        """The customer with more history than a screen holds."""
        words, random = language("en"), self._book.random
        appliances = [(kind, _serial(random)) for kind in words.appliances for _ in range(4)]
        remark = (
            f"Framework contract for {len(HOUSES)} houses: visit within 24 hours, invoices to head office."
        )
        client = self._add(
            "Claire Whitfield", words, HOTEL, "gold", "Europe/London", remark, appliances, self._since
        )
        client.only = "hotel"
        for number in HOTEL_NUMBERS:
            client.phone = client.phone or fold_phone(number)
            self._add_point(client, fold_phone(number), "verified", self._since)
        for name in ("housekeeping", "head.office"):
            point = fold_mailbox(f"{name}@grand-panorama.example.com")
            client.mailbox = client.mailbox or point
            self._add_point(client, point, "verified", self._since)
        return client

    def customer(self, known_since: Micros | None) -> Client:
        """Somebody; `known_since` None: imported with the others at the beginning."""
        random = self._book.random
        words = language(_drawn(random, LANGUAGE_SHARES))
        number, zone = next(self._numbers[words.code])
        first, last = random.choice(words.names.first), random.choice(words.names.last)
        newcomer = known_since is not None
        company = random.choice(words.names.companies) if not newcomer and random.random() < 0.2 else None
        tier = "standard" if newcomer else _drawn(random, TIER_SHARES)
        remark = random.choice(words.names.remarks) if not newcomer and random.random() < 0.5 else ""
        appliances = [
            (kind, _serial(random)) for kind in random.sample(sorted(words.appliances), random.randint(1, 3))
        ]
        at = self._since if known_since is None else known_since
        client = self._add(f"{first} {last}", words, company, tier, zone, remark, appliances, at)
        proof = "seen" if newcomer else random.choice(("imported", "imported", "verified"))
        client.phone = fold_phone(number)
        self._add_point(client, client.phone, proof, at)
        client.mailbox = self._mailbox(first, last)  # everybody has one, so that whoever is played can chat
        self._add_point(client, client.mailbox, "claimed" if newcomer else proof, at)
        return client

    def visitor(self, client: Client, widget: str, at: Micros) -> Values:
        """Mirrors chats.meet_visitor and the chat point that chats._who adds; once per client."""
        if client.visitor is None:
            visitor_id = self._book.new_id("vis", at)
            client.visitor = self._book.put(
                schema.visitor,
                {
                    "id": visitor_id,
                    "widget": widget,
                    "fingerprint": fingerprint(f"{self._book.random.getrandbits(256):064x}"),
                    "customer_id": client.id,
                    "interaction_id": None,
                    "created_at": at,
                    "seen_at": at,
                },
            )
            self._add_point(client, ContactPoint("chat", visitor_id, "web chat"), "claimed", at)
        return client.visitor

    def _add(
        self,
        name: str,
        words: Language,
        company: str | None,
        tier: str,
        zone: str,
        remark: str,
        appliances: list[tuple[str, str]],
        at: Micros,
    ) -> Client:
        owned = ", ".join(f"{words.appliances[kind]} {serial}" for kind, serial in appliances[:3])
        row = self._book.put(
            schema.customer,
            {
                "id": self._book.new_id("cus", at),
                "name": name,
                "company_id": self._company(company, at),
                "tier": tier,
                "language": words.code,
                "time_zone": zone,
                "remark": "\n".join(part for part in (owned, remark) if part),
                "merged_into": None,
                "created_at": at,
                "version": 1,
            },
        )
        self._book.say(at, "system", events.CustomerCreated(row["id"]))
        return Client(row["id"], name, words, None, None, appliances, at)

    def _company(self, name: str | None, at: Micros) -> str | None:
        if name is None:
            return None
        if name not in self._companies:
            self._companies[name] = self._book.new_id("com", at)
            self._book.put(schema.company, {"id": self._companies[name], "name": name})
        return self._companies[name]

    def _mailbox(self, first: str, last: str) -> ContactPoint:
        name = f"{first}.{last}".casefold().replace(" ", ".").translate(PLAIN)
        host = self._book.random.choice(MAIL_HOSTS)
        number = 1
        while (address := f"{name}{number if number > 1 else ''}@{host}") in self._mailboxes:
            number += 1
        self._mailboxes.add(address)
        point = fold_mailbox(address)
        assert point is not None, address
        return point

    def _add_point(self, client: Client, point: ContactPoint | None, proof: str, at: Micros) -> None:
        """Mirrors customers.add_point."""
        assert point is not None, "the demo's addresses are well-formed"
        own = proof in {"seen", "claimed"} and at == client.known_since and point.kind != "chat"
        self._book.put(
            schema.contact_point,
            {
                "id": self._book.new_id("cpt", at),
                "customer_id": client.id,
                "kind": point.kind,
                "value": point.value,
                "display": point.display,
                "proof": proof,
                "proved_at": at if proof == "verified" else None,
                "created_at": at,
                "made_for": f"{point.kind}:{point.value}" if own else None,
            },
        )


def _drawn(random: Random, shares: tuple[tuple[str, int], ...]) -> str:
    return random.choices([name for name, _ in shares], [share for _, share in shares])[0]


def _serial(random: Random) -> str:
    return f"AA-{random.randrange(10, 99)}-{random.randrange(100_000, 999_999)}"
