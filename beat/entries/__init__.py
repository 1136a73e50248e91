"""Entries in code (`beat_schedule`, `add_periodic_task`) and what they are as rows of `schedule`."""
