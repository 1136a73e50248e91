"""Tests, and under `support` what they share."""
