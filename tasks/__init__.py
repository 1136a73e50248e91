"""What the system does: one folder a domain, one module a task."""
