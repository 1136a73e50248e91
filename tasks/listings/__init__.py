"""Classified listings: sites are rows, Head-Fi is the built-in one."""
