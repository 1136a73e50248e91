"""SQL statements in files of their own (pure)."""

from pathlib import Path


def statements(module: str) -> dict[str, str]:
    """The statements of the file ``.sql`` beside a module (its ``__file__``), by their names.

    Each begins with a line ``-- name: …``.
    """
    parts = Path(module).with_suffix(".sql").read_text("utf-8").split("-- name: ")[1:]
    return {name.strip(): sql for name, _, sql in (part.partition("\n") for part in parts)}
