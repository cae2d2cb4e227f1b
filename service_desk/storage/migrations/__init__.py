"""Alembic migrations, run in-process by `service_desk.storage.store.migrate`."""
