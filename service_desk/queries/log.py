"""The whole log, as far back as it goes: what was archived, and what is still followed."""

import sqlalchemy as sa

from service_desk.storage import schema

WHOLE_LOG = sa.union_all(sa.select(schema.event_archive), sa.select(schema.event)).subquery("whole_log")
"""Both tables have the same columns, and a position is in one of them."""
