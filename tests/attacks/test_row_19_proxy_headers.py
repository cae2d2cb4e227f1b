"""Row 19: what a client says about its own address and our host is not believed."""

from pathlib import Path

from tests.service_desk.web.world import Answer, World, a_world

LIMITS = {"login_failures_per_login": 2, "login_failures_per_address": 1_000}
FORGED = ("X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Client-IP", "CF-Connecting-IP", "True-Client-IP")


async def fail(world: World, headers: dict[str, str | None], login: str = "ada") -> Answer:
    body = {"login": login, "password": "wrong"}
    return await world.stranger.post("/api/v1/session", body, key=None, headers=headers)


async def test_another_address_in_a_header_is_no_way_around_the_throttle(
    sqlite_url: str, tmp_path: Path
) -> None:
    async with a_world(sqlite_url, tmp_path, limits=LIMITS) as world:
        for name in FORGED:
            answers = [await fail(world, {name: f"198.51.100.{number}"}, name) for number in range(4)]
            assert [answer.status for answer in answers] == [401, 401, 429, 429], name


async def test_a_trusted_proxy_is_believed_from_its_end(sqlite_url: str, tmp_path: Path) -> None:
    async with a_world(
        sqlite_url, tmp_path, limits=LIMITS, trusted_proxies=["127.0.0.0/8", "10.0.0.0/8"]
    ) as world:
        # The client wrote the first parts itself; the proxies appended the last ones.
        forged = ("1.1.1.1", "2.2.2.2", "3.3.3.3, 4.4.4.4", "<script>")
        answers = [await fail(world, {"X-Forwarded-For": f"{one}, 203.0.113.7, 10.1.1.1"}) for one in forged]
        assert [answer.status for answer in answers] == [401, 401, 429, 429]
        assert (await fail(world, {"X-Forwarded-For": "203.0.113.8, 10.1.1.1"})).status == 401


async def test_a_trusted_proxy_that_says_nonsense_is_one_address(sqlite_url: str, tmp_path: Path) -> None:
    async with a_world(sqlite_url, tmp_path, limits=LIMITS, trusted_proxies=["127.0.0.0/8"]) as world:
        nonsense = ("<script>alert(1)</script>", "unknown", "1.2.3.4.5", "' OR 1=1")
        statuses = [(await fail(world, {"X-Forwarded-For": text})).status for text in nonsense]
        assert statuses == [401, 401, 429, 429]


async def test_metrics_are_not_shown_to_whom_a_proxy_lets_through(quick_world: World) -> None:
    for headers in ({"X-Forwarded-For": "127.0.0.1"}, {"Forwarded": "for=127.0.0.1"}):
        assert (await quick_world.stranger.get("/metrics", headers=headers)).status == 401


async def test_the_host_header_and_its_forwarded_kin_change_nothing(quick_world: World) -> None:
    honest = await quick_world.stranger.get("/widget/config?widget=demo")
    page = await quick_world.stranger.get("/", headers={"Accept": "text/html"})
    for name in (
        "Host",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded-Port",
        "X-Original-URL",
        "X-Rewrite-URL",
    ):
        forged = await quick_world.stranger.get("/widget/config?widget=demo", headers={name: "evil.example"})
        assert (forged.status, forged.body) == (200, honest.body), name
        assert "evil.example" not in str(forged.headers)
        shown = await quick_world.stranger.get("/", headers={"Accept": "text/html", name: "evil.example"})
        assert (shown.body, "evil.example" in str(shown.headers)) == (page.body, False), name
