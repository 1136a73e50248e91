"""Addresses and settings of connections to Postgres and Redis.  Loads nothing large."""
