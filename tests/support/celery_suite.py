"""Pytest plugin for Celery's own tests: wherever they use Celery's beat, ours is in its place."""

from __future__ import annotations

import os

os.environ["WATCHKEEPER_DATABASE_URL"] = "postgresql://nobody@127.0.0.1:9/nothing"

from celery import beat

from beat.scheduler import DatabaseScheduler

beat.Scheduler = DatabaseScheduler  # type: ignore[misc]
