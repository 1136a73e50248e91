"""The chaos run: a cluster of real processes, its faults, and the promises that must hold."""
