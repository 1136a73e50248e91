"""One tick of beat, step by step."""
