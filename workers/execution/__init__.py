"""What a kind runs under: the task class, the engine, the unit of work, the lease."""
