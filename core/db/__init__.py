"""Tables, migrations and the few statements that differ between SQLite and PostgreSQL."""
