"""The database-driven scheduler: a table in Postgres says what runs and when."""
