"""The auditor: rows, log and router compared. What it finds is a fault of ours, never of a user.

Each check reads one consistent view of the database and says what does not fit, with the id to look at. It is
made for a desk that runs as well as for one that was killed: work that is still on its way (commands that the
router has not read, effects that are not due for long) is no finding.
"""

from service_desk.audit import contacts, edges, numbers, router, streams
from service_desk.audit.findings import Finding
from service_desk.audit.log import read_log
from service_desk.clock import MINUTE, Micros
from service_desk.storage.store import Reader

__all__ = ["PATIENCE", "Finding", "audit"]

PATIENCE: Micros = MINUTE
"""How long an effect may be overdue before it is a finding."""


def audit(reader: Reader, *, patience: Micros = PATIENCE) -> list[Finding]:
    """Everything that does not fit, check by check; empty is what should be."""
    log = read_log(reader)
    checks = (
        streams.check_streams(reader),
        log.findings,
        contacts.check_interactions(reader, log),
        contacts.check_segments(reader),
        contacts.check_offers(reader),
        contacts.check_capacity(reader),
        contacts.check_agents(reader, log),
        edges.check_calls(reader),
        edges.check_inputs(reader),
        edges.check_effects(reader, patience),
        edges.check_messages(reader),
        numbers.check_numbering(reader),
        numbers.check_tickets(reader, log),
        streams.check_counters(reader, log),
        router.check_dispatch(reader),
    )
    return [finding for found in checks for finding in found]
