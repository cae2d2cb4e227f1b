"""What can go wrong on purpose, switched on and off while the carrier runs."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from channels.simulator.pace import Random


class Fault(StrEnum):
    """The first four happen to webhooks, the others to REST requests."""

    DELAY = "delay"  # arrives `seconds` later
    DROP = "drop"  # never arrives
    DUPLICATE = "duplicate"  # arrives twice, with the same idempotency token
    REORDER = "reorder"  # a callback is held for `seconds` while later ones pass it
    SLOW = "slow"  # answered `seconds` later
    TOO_MANY = "too_many"  # 429 with Retry-After, nothing done
    ERROR = "error"  # 500, nothing done
    ERROR_AFTER_EFFECT = "error_after_effect"  # 500, but it was done


WEBHOOK_FAULTS = frozenset({Fault.DELAY, Fault.DROP, Fault.DUPLICATE, Fault.REORDER})


class FaultRule(BaseModel):
    """One fault: on which requests, how often, how long."""

    model_config = ConfigDict(extra="forbid")

    do: Fault
    match: str = ""
    """Part of the URL, or for REST of "METHOD path"; empty matches all."""
    share: float = Field(default=1.0, gt=0, le=1)
    times: int | None = Field(default=None, ge=1, le=1_000_000)
    """How often it still happens; without it, until it is switched off."""
    seconds: float = Field(default=0.2, ge=0, le=60)
    """Real seconds, for delay, reorder, slow, and the Retry-After of too_many."""


class Faults:
    """The rules that are on."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self.rules: list[FaultRule] = []

    def replace(self, rules: list[FaultRule]) -> None:
        """Switch to these rules and no others."""
        self.rules = list(rules)

    def on_webhook(self, url: str) -> dict[Fault, FaultRule]:
        """What happens to a webhook; counts as having happened."""
        return self._strike(WEBHOOK_FAULTS, url)

    def on_rest(self, method: str, path: str) -> dict[Fault, FaultRule]:
        """What happens to a REST request; counts as having happened."""
        return self._strike(frozenset(Fault) - WEBHOOK_FAULTS, f"{method} {path}")

    def _strike(self, kinds: frozenset[Fault], text: str) -> dict[Fault, FaultRule]:
        struck = {}
        for rule in list(self.rules):
            if rule.do in kinds and rule.match in text and self._random.random() < rule.share:
                struck[rule.do] = rule
                self._count(rule)
        return struck

    def _count(self, rule: FaultRule) -> None:
        if rule.times is None:
            return
        rule.times -= 1
        if rule.times == 0:
            self.rules.remove(rule)
