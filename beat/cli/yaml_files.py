"""YAML as people write it: 17:00, 2026-12-24 and 08 are texts; what is written is read as it was."""

import json
import re
from typing import Any

import yaml

from workers import cli

#: Types that YAML 1.1 gives to 17:00 (a number of base sixty) and to dates; here they stay texts.
_UNWANTED_TYPES = re.compile("tag:yaml.org,2002:(int|float|timestamp)$")
_WHOLE = r"[-+]?(0|[1-9][0-9]*)"
_INTEGER = re.compile(_WHOLE + "$")
_DECIMAL = re.compile(rf"({_WHOLE}|[-+]?(0|[1-9][0-9]*)?\.[0-9]+)([eE][-+]?[0-9]+)?$")


class _Loader(yaml.SafeLoader):
    """Reads numbers in decimal; anything else that YAML 1.1 calls a number or a date is text.

    A key that is there twice is refused: the first of the two would be lost.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"]
        seen: set[str] = set()
        for key in keys:
            if key.value in seen:
                problem = f'"{key.value}" is there twice'
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, at) for tag, at in found if not _UNWANTED_TYPES.match(tag)]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class _Dumper(yaml.SafeDumper):
    """Quotes each text that this loader, or another's, would read as something else."""

    def text(self, value: str) -> yaml.ScalarNode:
        # Written as it is, NEL would be read as a line feed.
        style = '"' if "\x85" in value else None
        return self.represent_scalar("tag:yaml.org,2002:str", value, style)


_Dumper.add_representer(str, _Dumper.text)

for _one in (_Loader, _Dumper):
    _one.add_implicit_resolver("tag:yaml.org,2002:int", _INTEGER, list("-+0123456789"))
    _one.add_implicit_resolver("tag:yaml.org,2002:float", _DECIMAL, list("-+0123456789."))


def dump(value: Any) -> str:
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return text


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key is there twice")
    return dict(pairs)


def load(text: str) -> Any:
    """What ``text`` says, JSON or YAML; exits when it is neither."""
    try:
        # YAML takes some characters within JSON's strings for ends of lines.  No JSON has a NaN.
        return json.loads(text, parse_constant=int, object_pairs_hook=_once)
    except ValueError:
        pass
    try:
        return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        cli.fail(*_not_yaml(error), cli.REFUSED)


def _not_yaml(error: Any) -> tuple[str, str]:
    """What is wrong with a file and where; and how to see the right form."""
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    said = getattr(error, "problem", None) or str(error).partition("\n")[0]
    return f"this is not YAML: {where}{said}", f"{cli.typed('schedule export')} shows the form"
