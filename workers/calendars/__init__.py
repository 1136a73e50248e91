"""Exchanges, their sessions, and the time zones that the database knows."""
