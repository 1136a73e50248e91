"""Rules over what the watches found."""
