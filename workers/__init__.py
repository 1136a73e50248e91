"""The Celery application and everything a task runs under: the base layer."""
