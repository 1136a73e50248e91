"""Housekeeping: each job is an ordinary schedule row."""
