"""Reads that pages and API share; each takes the request's connection."""
