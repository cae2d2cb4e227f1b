"""Row 16: bearer secrets have 256 random bits, are stored as fingerprints only, and run out."""

import base64
import math
from collections import Counter
from http.cookies import SimpleCookie

import sqlalchemy as sa

from service_desk.ids import fingerprint, new_id, new_token
from service_desk.storage import schema
from service_desk.storage.store import Reader
from tests.service_desk.web.world import PASSWORD, World


def test_tokens_are_long_different_and_even() -> None:
    tokens = [base64.urlsafe_b64decode(f"{new_token()}=") for _ in range(2_000)]
    assert {len(token) for token in tokens} == {32}
    assert len(set(tokens)) == len(tokens)
    counts = Counter(byte for token in tokens for byte in token)
    total = sum(counts.values())
    entropy = -sum(count / total * math.log2(count / total) for count in counts.values())
    assert entropy > 7.99
    ones = [sum(token[bit // 8] >> bit % 8 & 1 for token in tokens) for bit in range(256)]
    assert all(800 < count < 1_200 for count in ones)  # 9 standard deviations around 1,000


def test_ids_made_at_the_same_moment_cannot_be_told_from_one_another() -> None:
    ids = [new_id("tic", 1_700_000_000_000_000) for _ in range(2_000)]
    assert len({name[-16:] for name in ids}) == len(ids)
    assert {len(name) for name in ids} == {30}


async def test_a_session_s_secret_is_nowhere_in_the_database(world: World) -> None:
    await world.person("ada")
    body = {"login": "ada", "password": PASSWORD}
    answer = await world.stranger.post("/api/v1/session", body, key=None)
    token = SimpleCookie(answer.headers["Set-Cookie"])["desk_session"].value
    assert len(token) >= 43
    row = await world.row(schema.session, fingerprint(token))
    lifetime_s = (row["expires_at"] - row["created_at"]) / 1_000_000
    assert lifetime_s <= world.settings.limits.session_lifetime_h * 3_600 + 1
    for table in schema.metadata.sorted_tables:
        rows = str(await world.desk.read(Reader.all, sa.select(table)))
        assert token not in rows, table.name
        assert PASSWORD not in rows, table.name


async def test_two_sessions_share_nothing(world: World) -> None:
    ada = await world.person("ada")
    other = await world.signed_in(ada.agent_id)
    assert ada.cookie != other.cookie
    assert ada.csrf != other.csrf
