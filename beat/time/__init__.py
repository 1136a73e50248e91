"""When something is due: pure arithmetic, without a database."""
