"""The verbs of `celery schedule`, one module for each kind: looking, editing, asking, files."""
