"""Imitations of other people's servers: separate processes on loopback, strict as the real ones."""
