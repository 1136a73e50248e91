"""Text: of other servers, cleaned; and durations, counts and times in words (pure)."""
