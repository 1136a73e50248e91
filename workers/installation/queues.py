"""Names of the queues that workers serve."""

from workers.installation.domains import domains
from workers.settings import DEFAULT_QUEUE, NOTICES_QUEUE

#: Queues of the system's own tasks.
OWN_QUEUES = (NOTICES_QUEUE, DEFAULT_QUEUE)


def queue_names() -> list[str]:
    """Every queue; a worker group names those that it serves with ``-Q``."""
    return [*dict.fromkeys(domain.queue for domain in domains().values()), *OWN_QUEUES]
