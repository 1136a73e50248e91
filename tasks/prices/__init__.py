"""Stock prices: which symbols, from where, how fresh."""
