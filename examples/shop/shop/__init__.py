"""A small shop: what its Celery application does at night."""
