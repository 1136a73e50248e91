"""The database-driven scheduler: a table in Postgres defines what runs and when."""
