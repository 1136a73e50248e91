"""The README tells the truth."""

from __future__ import annotations

import re
from pathlib import Path

from workers.settings import Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_every_setting_is_in_the_readme_with_its_default_and_meaning() -> None:
    for name, field in Settings.model_fields.items():
        default = field.default
        if hasattr(default, "get_secret_value"):
            default = default.get_secret_value()
        shown = "·" if default is None else f"`{default}`"
        assert f"| `WATCHKEEPER_{name.upper()}` | {shown} | {field.description} |" in README


def test_the_readme_names_no_setting_that_is_not_there() -> None:
    # Variables of channels are named by people: a channel's target says which.
    named = set(re.findall(r"WATCHKEEPER_(?!CHANNEL_)([A-Z_]+)", README.replace("WATCHKEEPER_…", "")))

    assert named <= {name.upper() for name in Settings.model_fields} | {"TEST_POSTGRES"}


def test_every_file_the_readme_names_exists() -> None:
    for name in re.findall(r"`((?:beat|workers|tasks|sandbox|deploy)/[a-z_/]+(?:\.py)?)`", README):
        assert (ROOT / name).exists(), name
