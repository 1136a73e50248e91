"""Fixtures of tests/e2e."""

from tests.support.beat import drive, new_beat
from tests.support.celery_nodes import (
    celery_backend_cluster,
    celery_broker_cluster,
    celery_setup_cls,
    celery_worker_cluster,
    worker_node,
)
from tests.support.listings import make_listing, scrapes, site_server
from tests.support.notices import mail, people
from tests.support.progress import half_done
