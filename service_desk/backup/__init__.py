"""Backup and restore: the whole desk in one file that belongs to neither database.

The file is a zip: `manifest.json`, a part of JSON lines per table, and the files of messages. What SQLite wrote
PostgreSQL can take and the other way round, and a newer release takes what an older one wrote: it makes the tables as
they were then, fills them and migrates.
"""
