"""Calls to other servers: client, permits, quotas, circuit breaker, robots.txt."""
