"""What the commands show: progress bars and descriptions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pellucid.modality import all_modalities, modality
from pellucid.parameters import Parameter
from pellucid.progress import Progress


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
    """Every protocol of every modality (or of the one named), with its settings."""
    lines: list[str] = []
    for owner in [modality(wanted.split("/", maxsplit=1)[0])] if wanted else all_modalities():
        lines.append(owner.title)
        for protocol in owner.protocols:
            lines.append(f"  {owner.key}/{protocol.name}: {protocol.title}")
            if wanted.endswith(protocol.name):
                lines += [_parameter_line(parameter) for parameter in protocol.parameters]
    return "\n".join(lines)


def description(found: Mapping[str, Any], indent: int = 0) -> str:
    """Nested plain data as indented lines."""
    lines: list[str] = []
    for key, value in found.items():
        margin = "  " * indent
        if isinstance(value, Mapping):
            lines += [f"{margin}{key}:", description(value, indent + 1)]
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            lines += [f"{margin}{key}:"] + [description(item, indent + 1) + "\n" for item in value]
        else:
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            lines.append(f"{margin}{key}: {text}")
    return "\n".join(lines)


def _parameter_line(parameter: Parameter) -> str:
    return f"    {parameter.name} = {parameter.default}: {parameter.about.description} ({parameter.expected()})"
