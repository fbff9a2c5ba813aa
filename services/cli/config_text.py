"""The text of a configuration: YAML in which every scalar is a text, and overrides of the environment.

Only the plain part of YAML is allowed: no aliases (a page of them can describe gigabytes), no tags, no key
twice, one document. Each value remembers its line, so that a mistake can be shown where it was made.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import yaml

from shared.errors import ConfigError

Path = tuple[str, ...]
Tree = dict[str, "Tree"] | list["Tree"] | str

SIZE_MAX_BYTES = 1 << 20
ENVIRONMENT_PREFIX = "QUOTEMESH__"


class Problem(NamedTuple):
    """One mistake: where, what, and what to do."""

    path: Path
    text: str


class Text(NamedTuple):
    """A parsed file: its tree, and where each value stands (`line 12`, or the variable that set it)."""

    tree: dict[str, Tree]
    places: dict[Path, str]


def dotted(path: Path) -> str:
    """Return `strategies.as_btc.params.gamma` of a path."""
    return ".".join(path)


def refuse(name: str, problems: list[Problem], places: Mapping[Path, str]) -> ConfigError:
    """Return the error that lists every problem of the file `name`, with its place."""
    lines = []
    for problem in sorted(problems, key=lambda one: _line_of(place_of(one.path, places))):
        place = place_of(problem.path, places)
        key = dotted(problem.path) or "file"
        lines.append(f"  {place + ', ' if place else ''}{key}: {problem.text}")
    count = f"{len(problems)} mistake{'s' if len(problems) > 1 else ''}"
    return ConfigError(
        f"{name}: {count} in the configuration; nothing was started\n"
        + "\n".join(lines)
        + "\n  `quotemesh config show` prints every key with its meaning"
    )


def _line_of(place: str) -> int:
    """Return the line of a place; what the environment says comes after the file."""
    return int(place.removeprefix("line ")) if place.startswith("line ") else 1 << 30


def place_of(path: Path, places: Mapping[Path, str]) -> str:
    """Return the place of `path`, or of its nearest parent that was written; empty when none was."""
    while path not in places:
        if not path:
            return ""
        path = path[:-1]
    return places[path]


def parse(name: str, text: str, environ: Mapping[str, str]) -> Text:
    """Return the tree of the YAML `text` with the overrides of `environ`; raises `ConfigError`."""
    if len(text) > SIZE_MAX_BYTES:
        raise ConfigError(
            f"{name}: {len(text)} characters, but a configuration has at most {SIZE_MAX_BYTES}; "
            "is this the right file?"
        )
    problems: list[Problem] = []
    places: dict[Path, str] = {}
    try:
        tree = _tree(_compose(text), (), places, problems)
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}: {_yaml_text(error)}; nothing was started") from None
    except RecursionError:
        raise ConfigError(f"{name}: nested too deeply for a configuration; nothing was started") from None
    if not isinstance(tree, dict):
        problems.append(
            Problem((), "the file must hold `key: value` lines, as `quotemesh config init` writes")
        )
        tree = {}
    _override(tree, places, problems, environ)
    if problems:
        raise refuse(name, problems, places)
    return Text(tree, places)


class _PlainLoader(yaml.BaseLoader):
    """Refuses aliases before they are expanded: a page of them can describe gigabytes."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        is_alias = isinstance(event, yaml.AliasEvent)
        if is_alias or event.anchor is not None or getattr(event, "tag", None) is not None:
            raise yaml.MarkedYAMLError(
                problem="anchors (&), aliases (*) and tags (!) are not allowed; write the value out",
                problem_mark=event.start_mark,
            )
        return super().compose_node(parent, index)


def _compose(text: str) -> yaml.Node | None:
    loader = _PlainLoader(text)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def _yaml_text(error: yaml.YAMLError) -> str:
    if not isinstance(error, yaml.MarkedYAMLError):
        return f"not a YAML text ({' '.join(str(error).split())})"
    mark = error.problem_mark
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
    return f"{place}{error.problem or error.context}"


def _tree(node: yaml.Node | None, path: Path, places: dict[Path, str], problems: list[Problem]) -> Tree:
    if node is None:
        return {}
    places[path] = f"line {node.start_mark.line + 1}"
    if isinstance(node, yaml.ScalarNode):
        return str(node.value)
    if isinstance(node, yaml.SequenceNode):
        return [_tree(item, (*path, str(at)), places, problems) for at, item in enumerate(node.value)]
    mapping: dict[str, Tree] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            problems.append(Problem(path, f"line {line}: a key must be a plain word"))
            continue
        key = str(key_node.value)
        if key in mapping:
            problems.append(
                Problem((*path, key), f"written again in line {line}; keep one, remove the other")
            )
            continue
        mapping[key] = _tree(value_node, (*path, key), places, problems)
        places[*path, key] = f"line {line}"
    return mapping


def _override(
    tree: dict[str, Tree], places: dict[Path, str], problems: list[Problem], environ: Mapping[str, str]
) -> None:
    """Put the values of `QUOTEMESH__A__B` at `a.b`; a value may be YAML of one line (`[a, b]`)."""
    for variable in sorted(environ):
        if not variable.startswith(ENVIRONMENT_PREFIX):
            continue
        path = tuple(variable.removeprefix(ENVIRONMENT_PREFIX).lower().split("__"))
        if not all(path):
            problems.append(
                Problem((variable,), "a part of the name is empty; write QUOTEMESH__SECTION__KEY")
            )
            continue
        own: dict[Path, str] = {}
        try:
            value = _tree(_compose(environ[variable]), path, own, problems)
        except (yaml.YAMLError, RecursionError):
            value = environ[variable]
        holder = tree
        for step in path[:-1]:
            below = holder.setdefault(step, {})
            if not isinstance(below, dict):
                below = holder[step] = {}
            holder = below
        holder[path[-1]] = "" if value == {} else value
        for stale in [p for p in places if p[: len(path)] == path]:
            del places[stale]
        places[path] = f"environment {variable}"
