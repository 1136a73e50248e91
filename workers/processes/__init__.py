"""What a worker's processes hear and tell one another: doorbells, slots, reports, a stop."""
