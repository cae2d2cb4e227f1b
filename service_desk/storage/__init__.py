"""The database: tables, the store with group commit, transactions, migrations."""
