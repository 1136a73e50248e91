"""The whole system on one machine with nothing installed; production leaves it out."""
