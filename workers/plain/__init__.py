"""Plain Celery tasks: what happens to their messages is written to the ledger around them."""
