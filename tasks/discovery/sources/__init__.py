"""Upstreams of token discovery, one module each."""
