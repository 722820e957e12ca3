"""What the commands show: progress bars and descriptions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from textwrap import wrap
from typing import Any

from pellucid.modality import Modality, all_modalities, modality
from pellucid.parameters import Parameter
from pellucid.progress import Progress
from pellucid.units import unit_symbol

_UNDER = " " * 6
_WIDEST_RANGE = 40
"""A list of choices may be longer; it moves its own line's meaning only."""


@contextmanager
def bar(title: str) -> Iterator[Progress]:
    """A progress bar on standard error; yields the callback that moves it."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    with Bars(*columns, console=console, disable=not console.is_terminal) as bars:
        task = bars.add_task(title, total=1.0)

        def report(fraction: float, message: str = "", preview: Any = None) -> None:  # noqa: ARG001
            bars.update(task, completed=fraction, description=message or title)

        yield report
        bars.update(task, completed=1.0, description=title)


def protocols(wanted: str = "") -> str:
    """Every protocol with its settings; `wanted`: a modality, or modality/protocol for that protocol's own values.

    Raises `UnknownOptionError` for a modality or protocol that does not exist.
    """
    key, _, name = wanted.partition("/")
    owners = [modality(key)] if key else all_modalities()
    return "\n\n".join("\n".join(_one_protocol(owner, name) if name else _modality(owner)) for owner in owners)


def _one_protocol(owner: Modality, name: str) -> list[str]:
    protocol = owner.protocol(name)
    return [f"{owner.key}/{protocol.name}: {protocol.title}", *parameter_table(_as_json(protocol.parameters))]


def _modality(owner: Modality) -> list[str]:
    """The protocols, each with the values it has for itself, then the settings that all share."""
    values = [{p.name: p.default for p in protocol.parameters} for protocol in owner.protocols]
    own = [name for name, first in values[0].items() if any(other[name] != first for other in values[1:])]
    lines = [owner.title]
    for protocol, mine in zip(owner.protocols, values, strict=True):
        lines.append(f"  {owner.key}/{protocol.name}: {protocol.title}")
        lines += wrap(
            ", ".join(f"{name}={_text(mine[name])}" for name in own),
            110,
            initial_indent=_UNDER,
            subsequent_indent=_UNDER,
        )
    shared = _as_json(owner.protocols[0].parameters)
    table = [{**row, "default": "(above)"} if row["name"] in own else row for row in shared]
    return [*lines, f"  Settings of {owner.key} protocols, changed by --set NAME=VALUE:", *parameter_table(table)]


def parameter_table(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """One aligned line a parameter (as `Parameter.to_json` gives it): default, unit, range and meaning."""
    cells = [
        (
            f"{row['name']} = {_text(row['default'])}",
            row["unit"] if row["unit"] != "1" else "",
            _range(row),
            row["description"],
        )
        for row in rows
    ]
    wide = [max((len(cell[column]) for cell in cells), default=0) for column in range(3)]
    wide[2] = min(wide[2], _WIDEST_RANGE)
    return ["    " + "  ".join((*map(str.ljust, cell[:3], wide), cell[3])) for cell in cells]


def _range(row: Mapping[str, Any]) -> str:
    """The values that a parameter takes."""
    low, high = row["minimum"], row["maximum"]
    if row["choices"]:
        text = " | ".join(row["choices"])
    elif row["kind"] == "boolean":
        text = "true | false"
    elif low is None and high is None:
        text = "any " + row["kind"]
    else:
        text = f">= {low:g}" if high is None else f"<= {high:g}" if low is None else f"{low:g} to {high:g}"
        text += ", whole" if row["kind"] == "integer" else ""
    return text + (" | none" if row["optional"] else "")


def _text(value: Any) -> str:
    """A value as `--set` takes it."""
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _as_json(parameters: Iterable[Parameter]) -> list[dict[str, Any]]:
    return [parameter.to_json() for parameter in parameters]


def description(found: Mapping[str, Any], indent: int = 0) -> str:
    """Nested plain data as indented lines."""
    lines: list[str] = []
    for key, value in found.items():
        margin = "  " * indent
        if key == "parameters" and isinstance(value, list):
            lines += [f"{margin}{key}:", *(margin + line for line in parameter_table(value))]
        elif key == "unit":
            lines.append(f"{margin}{key}: {unit_symbol(str(value)) or 'none'}")
        elif isinstance(value, Mapping):
            lines += [f"{margin}{key}:", description(value, indent + 1)]
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            lines += [f"{margin}{key}:"] + [description(item, indent + 1) + "\n" for item in value]
        else:
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            lines.append(f"{margin}{key}: {text}")
    return "\n".join(lines)
