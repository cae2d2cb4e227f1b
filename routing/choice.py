"""Which of several agents: each rule gives a number to every agent who stands idle, and the least is chosen.

Ties go to who is idle longest, then by id.
"""

from typing import Final

from routing.model import ROUND_ROBIN
from routing.records import AgentRecord
from routing.requirements import Terms, met
from routing.waiting import Entry

LONGEST_IDLE: Final = "longest_idle"
LEAST_LOADED: Final = "least_loaded"
BEST_SKILL: Final = "best_skill"
MOST_SPECIFIC: Final = "most_specific"
CHOICES: Final = (LONGEST_IDLE, LEAST_LOADED, BEST_SKILL, ROUND_ROBIN, MOST_SPECIFIC)


def entry(rule: str, agent: AgentRecord, terms: Terms) -> Entry:
    """The agent's place in the idle line of items with these requirements."""
    if rule == LONGEST_IDLE:
        return (agent.idle_since, agent.name, agent)
    return (score(rule, agent, terms), agent.idle_since, agent.name, agent)


def score(rule: str, agent: AgentRecord, terms: Terms) -> int:
    """The least is chosen.

    least_loaded: how many items they have. best_skill: less the sum of their levels in the skills of the best term
    that they meet. round_robin: when they were last offered anything, in microseconds. most_specific: of how many
    queues and skills they are.
    """
    if rule == LEAST_LOADED:
        return sum(agent.room.load.values())
    if rule == BEST_SKILL:
        skills = agent.agent.skills
        return -max(
            (sum(skills[name] for name, _ in term) for term in terms if met((term,), skills)), default=0
        )
    if rule == ROUND_ROBIN:
        return agent.last_offer
    if rule == MOST_SPECIFIC:
        return len(agent.agent.queues) + len(agent.agent.skills)
    return agent.idle_since
