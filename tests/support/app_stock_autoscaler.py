"""The tests' application with Celery's own autoscaler, to measure ours against."""

from __future__ import annotations

from tests.support.kinds import app

app.conf.worker_autoscaler = "celery.worker.autoscale:Autoscaler"
