"""The settings of the simulated installation: the carrier's, and those of each process of the desk."""

from pathlib import Path
from typing import Any

from channels.simulator.settings import SimulatorSettings, Traffic
from service_desk.settings import Settings, load_settings

DESK, CARRIER = "http://127.0.0.1:8080", "http://127.0.0.1:8090"
SMTP_PORT, RELAY_PORT = 2525, 2500
NUMBER, OURS = "+14155550100", "help@alpenglow.example"
ACCOUNT_SID, API_KEY_SID, APP_SID = "AC" + "0" * 32, "SK" + "0" * 32, "AP" + "0" * 32
AUTH_TOKEN, API_SECRET = "a" * 32, "b" * 32
MEMORY = "file:simulation?mode=memory&cache=shared"
"""The database; it lives as long as a connection to it."""
DATABASE_URL = f"sqlite:///{MEMORY}&uri=true"


def carrier_settings(seed: int) -> SimulatorSettings:
    """A carrier whose number, app and mail lead to the desk."""
    hooks, texts = f"{DESK}/hooks/phone/phone-main", f"{DESK}/hooks/sms/text-main/incoming"
    traffic = Traffic(callers=tuple(f"+1415555{n:04d}" for n in range(200, 260)), talk_median_s=90)
    return SimulatorSettings.model_validate(
        {
            "account_sid": ACCOUNT_SID,
            "auth_token": AUTH_TOKEN,
            "api_key_sid": API_KEY_SID,
            "api_key_secret": API_SECRET,
            "seed": seed,
            "numbers": [
                {
                    "number": NUMBER,
                    "voice_url": f"{hooks}/voice",
                    "fallback_url": f"{hooks}/fallback",
                    "status_callback": f"{hooks}/status",
                }
            ],
            "apps": [{"sid": APP_SID, "voice_url": f"{hooks}/agent", "status_callback": f"{hooks}/status"}],
            "texts": [{"number": NUMBER, "sms_url": texts, "fallback_url": texts}],
            "mail": {"port": RELAY_PORT, "desk_mailboxes": [OURS], "kept": 100_000},
            "traffic": traffic,
        }
    )


def calling_back(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration with callbacks of each kind: agent first, customer first, and sent there by the rules."""
    rule = {"offer_after_s": 0, "answer_s": 20, "tries": 2, "pause_s": 60}
    step = {"when": "wait", "after_s": 15, "to": "callback"}
    more: dict[str, dict[str, Any]] = {
        "service": {"callback": rule},
        "sales": {"callback": {**rule, "first": "customer", "position": 2}},
        "billing": {"callback": {**rule, "offer_after_s": None}, "overflow": [step]},
    }
    return {**config, "queues": [{**queue, **more.get(queue["id"], {})} for queue in config["queues"]]}


def desk_settings(number: int, folder: Path) -> Settings:
    """Process `number`'s: all have one address, behind a balancer, and an SMTP door each."""
    account = {
        "account_sid": ACCOUNT_SID,
        "auth_token": AUTH_TOKEN,
        "api_key_sid": API_KEY_SID,
        "api_key_secret": API_SECRET,
        "numbers": [NUMBER],
        "api_base_url": CARRIER,
    }
    box = {
        "mailbox": OURS,
        "display_name": "Help",
        "listener": {"port": SMTP_PORT + number},
        "relay": {"host": "127.0.0.1", "port": RELAY_PORT, "tls": "none"},
    }
    return load_settings(
        None,
        server={"host": "127.0.0.1", "port": 0, "public_base": DESK},
        database_url=DATABASE_URL,
        var_dir=str(folder),
        limits={"session_lifetime_h": 100},
        simulator={"enabled": True, "url": CARRIER},
        accounts={
            "phone": {"phone-main": {**account, "twiml_app_sid": APP_SID}},
            "sms": {"text-main": {**account, "messages_per_second": 100}},
            "email": {"mail-main": box},
        },
    )
