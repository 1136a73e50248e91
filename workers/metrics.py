"""What Prometheus may know of our calls; labels are upstream names, never addresses or options."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

CALLS = Counter(
    "watchkeeper_upstream_calls", "HTTP calls by upstream and outcome", ["upstream", "outcome"]
)
SECONDS = Histogram(
    "watchkeeper_upstream_seconds",
    "From sending a call to its whole answer, in seconds",
    ["upstream"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
WAITS = Counter(
    "watchkeeper_permit_waits", "Times a call had to wait for a permit", ["upstream", "long"]
)
CLOSINGS = Counter("watchkeeper_door_closings", "Times a door was closed", ["upstream"])
