"""`celery schedule …`: the command line for schedules and runs."""
