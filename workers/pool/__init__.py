"""The worker pool: autoscaling, the watchdog, progress events, the broker connection."""
