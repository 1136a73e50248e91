"""Schedules of other schedulers as rows: what is read where, and what each becomes."""
