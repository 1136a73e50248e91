"""Upstreams of prices, one module each."""
