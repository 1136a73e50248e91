"""Token discovery: feeds, candidates, enrichment, filters, tokens."""
