"""The history of the database's shape, one line of it for SQLite and PostgreSQL."""
