"""What the commands of DICOM's network share: the archive's folder, KEYWORD=VALUE, tables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Option

from pellucid.errors import InvalidInputError

if TYPE_CHECKING:
    from pellucid.archive import Archive

Data = Annotated[Path | None, Option("--data", help="The folder that holds the archive (pellucid-data).")]
AsJson = Annotated[bool, Option("--json", help="Print DICOM JSON.")]


@contextmanager
def archive_in(data: Path | None) -> Iterator[Archive]:
    """The archive of a data folder, for the time of the block."""
    from pellucid.archive import Archive
    from pellucid.server import Settings

    settings = Settings()
    folder = data or settings.data
    try:
        opened = Archive(folder, places=settings.places(), policies=settings.policies)
    except OSError as error:
        raise InvalidInputError(f"cannot be opened ({error.strerror or error})", file=folder) from error
    with opened as archive:
        yield archive


def pairs(texts: list[str] | None, option: str) -> dict[str, str]:
    """KEYWORD=VALUE texts as a mapping."""
    pairs = {}
    for text in texts or []:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise InvalidInputError(f"is {text!r}; expected KEYWORD=VALUE", field=option)
        pairs[name.strip()] = value.strip()
    return pairs


def show(found: list[dict[str, Any]], keywords: list[str], *, as_json: bool) -> None:
    """Matches as a table of these keywords, or as DICOM JSON."""
    from pellucid.archive.levels import tag_of
    from pellucid.dimse.data_set import text

    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    table([{keyword: text(match, tag_of(keyword)) for keyword in keywords} for match in found], as_json=False)


def show_steps(found: list[dict[str, Any]], *, as_json: bool, ids: list[str] | None = None) -> None:
    """Scheduled procedure steps as a table, or as DICOM JSON."""
    from pellucid.dimse.asking import step_row

    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    rows = [step_row(attributes) for attributes in found]
    table([{"id": item_id, **row} for item_id, row in zip(ids, rows, strict=True)] if ids else rows, as_json=False)


def table(rows: list[Mapping[str, Any]] | list[dict[str, str]], *, as_json: bool) -> None:
    """Aligned columns, empty ones left out."""
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    names = [name for name in (rows[0] if rows else ()) if any(row[name] != "" for row in rows)]
    lines = [names, *([str(row[name]) for name in names] for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(names))]
    for line in lines if rows else []:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    if not rows:
        typer.echo("none", err=True)
