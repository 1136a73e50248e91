"""Who may: people, sessions, tokens, passwords, and what a request must look like."""
