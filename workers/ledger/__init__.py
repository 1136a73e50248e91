"""The ledger: `run`, `batch` and their items; every statement that changes their state stands here."""
