"""`pellucid archive verify | rebuild | stats | export`, `pellucid import | backup | restore`."""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from pellucid.cli.archive import Data, archive_app
from pellucid.cli.auditing import note
from pellucid.errors import InvalidInputError

if TYPE_CHECKING:
    from pellucid.archive import AcquisitionLabel
    from pellucid.server import Settings

_SHOWN = 50
AsJson = Annotated[bool, Option("--json", help="Print JSON.")]


class How(StrEnum):
    """What becomes of the files that are imported."""

    COPY = "copy"
    MOVE = "move"
    LINK = "link"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    archive_app.command()(verify)
    archive_app.command()(rebuild)
    archive_app.command()(stats)
    archive_app.command()(export)
    app.command("import")(import_folder)
    app.command()(backup)
    app.command()(restore)


def verify(
    repair: Annotated[bool, Option("--repair", help="Set right what can be.")] = False,
    source: Annotated[
        Path | None, Option("--from", help="With --repair: a backup to take damaged and missing objects from.")
    ] = None,
    restart: Annotated[bool, Option("--restart", help="Do not go on where a stopped verification ended.")] = False,
    data: Data = None,
) -> None:
    """Read every object again and compare it with the index; exit code 1 where something is wrong.

    May be stopped at any time; the next one goes on. The archive may be in use.
    """
    from pellucid.archive.verifying import Verifier
    from pellucid.cli.dimse_output import archive_in
    from pellucid.cli.display import bar

    if source is not None and not repair:
        raise InvalidInputError("is for --repair", field="--from")
    with archive_in(data) as archive, bar("verify") as progress:
        state = archive.folder / "verify.state"
        if restart:
            state.unlink(missing_ok=True)
        report = Verifier(archive, state=state, repair=repair, source=source).run(progress)
    for line in report.repaired:
        typer.echo(line)
    for line in report.problems:
        typer.echo(line, err=True)
    typer.echo(f"{report.objects} objects, {report.bytes / 1e6:.1f} MB: {len(report.problems)} problems")
    if report.problems:
        raise typer.Exit(code=1)


def rebuild(data: Data = None) -> None:
    """Make the index again from the objects alone; the old index is kept beside it as index.sqlite.old.

    Stop the server before. What only the index knew is lost: accounts, projects, rules, worklist, corrections as such
    (corrected objects stay corrected), and what series were reconstructed from. With PostgreSQL: an empty database.
    """
    from pellucid.archive.rebuilding import rebuild as rebuild_index
    from pellucid.cli.dimse_output import archive_in
    from pellucid.cli.display import bar

    settings = _settings()
    folder = data or settings.data
    if not settings.database:
        _move_index_away(folder)
    with archive_in(data) as archive, bar("rebuild") as progress:
        outcome = rebuild_index(archive, _label, progress)
    for name, reason in outcome.refused.items():
        typer.echo(f"object {name}: {reason}", err=True)
    typer.echo(
        f"{outcome.instances} instances, {outcome.signals} raw signals, {outcome.versions} earlier versions; "
        f"{len(outcome.refused)} objects could not be named"
    )


def stats(as_json: AsJson = False, data: Data = None) -> None:
    """Say how much the archive holds."""
    from pellucid.archive.statistics import statistics
    from pellucid.cli.dimse_output import archive_in
    from pellucid.cli.display import description

    with archive_in(data) as archive:
        found = statistics(archive)
    typer.echo(json.dumps(found, indent=2) if as_json else description(found))


def export(
    studies: Annotated[list[str] | None, Argument(help="Study Instance UIDs.", show_default=False)] = None,
    output: Annotated[Path, Option("--output", "-o", help="A new folder, or a file that ends in .zip.")] = Path(
        "export"
    ),
    where: Annotated[
        list[str] | None,
        Option(help="Instead of UIDs: what matches, such as PatientID=P1; may be repeated.", metavar="KEYWORD=VALUE"),
    ] = None,
    dicomdir: Annotated[bool, Option(help="Write a DICOMDIR.")] = True,
    data: Data = None,
) -> None:
    """Write studies into a folder or a zip file, with a DICOMDIR."""
    from pellucid.archive import Query
    from pellucid.archive.exporting import export as export_studies
    from pellucid.cli.dimse_output import archive_in, pairs
    from pellucid.cli.display import bar

    with archive_in(data) as archive, bar("export") as progress:
        filters = pairs(where, "--where")
        chosen = list(studies or [])
        if filters:
            chosen += [match.study_instance_uid for match in archive.find(Query("study", filters))]
        if not chosen:
            raise InvalidInputError("names no study", field="export")
        outcome = export_studies(archive, list(dict.fromkeys(chosen)), output, dicomdir=dicomdir, progress=progress)
        note(archive, "Export", "R", dict.fromkeys(chosen, ""), instances=str(outcome.instances))
    for uid, reason in outcome.unlisted.items():
        typer.echo(f"{uid} is not in the DICOMDIR: {reason}", err=True)
    typer.echo(f"wrote {outcome.instances} instances to {output}")


def import_folder(
    folder: Annotated[Path, Argument(help="A folder, or the storage of Orthanc or dcm4chee.", show_default=False)],
    how: Annotated[
        How,
        Option(help="copy; move (files go once they are stored); link (no copy on the same disk: never change them)."),
    ] = How.COPY,
    report: Annotated[Path | None, Option(help="Write what was refused, and why, as JSON lines.")] = None,
    data: Data = None,
) -> None:
    """Store all DICOM files below a folder, whatever they are called; exit code 1 where some are refused.

    May be stopped at any time and begun again: what is done is not done twice.
    """
    from pellucid.archive.importing import Importer
    from pellucid.cli.dimse_output import archive_in
    from pellucid.cli.display import bar

    with archive_in(data) as archive, bar("import") as progress:
        mark = hashlib.sha256(str(folder.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:16]
        importer = Importer(archive, how=how.value, state=archive.folder / "imports" / mark)
        outcome = importer.run(folder, progress)
        note(archive, "Import", "C", {}, instances=str(outcome.new))
    if report is not None:
        lines = (json.dumps({"file": file, "reason": reason}) for file, reason in outcome.refused.items())
        report.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    for file, reason in list(outcome.refused.items())[:_SHOWN]:
        typer.echo(f"{file}: {reason}", err=True)
    typer.echo(
        f"{outcome.new} new, {outcome.known} known, {len(outcome.refused)} refused, {outcome.others} other files"
    )
    if outcome.refused:
        raise typer.Exit(code=1)


def backup(
    target: Annotated[Path, Argument(help="The folder of the backup.", show_default=False)],
    keep: Annotated[int, Option(help="How many snapshots stay; 0: all.", min=0)] = 0,
    check: Annotated[bool, Option("--check", help="Read all of the backup again afterwards.")] = False,
    data: Data = None,
) -> None:
    """Add a snapshot of the archive to a backup; the archive may be in use."""
    from pellucid.archive.backup import back_up, verify_backup
    from pellucid.cli.dimse_output import archive_in
    from pellucid.cli.display import bar

    with archive_in(data) as archive, bar("backup") as progress:
        made = back_up(archive, target, keep=keep, progress=progress)
        note(archive, "Export", "R", {}, objects=str(made.objects), snapshot=made.name)
    problems = [f"object {name} is missing or damaged in the archive" for name in made.missing]
    if check:
        with bar("check") as progress:
            problems += verify_backup(target, progress)
    for line in problems:
        typer.echo(line, err=True)
    typer.echo(
        f"snapshot {made.name}: {made.rows} rows, {made.objects} objects, "
        f"{made.copied} of them new ({made.copied_bytes / 1e6:.1f} MB)"
    )
    if problems:
        raise typer.Exit(code=1)


def restore(
    source: Annotated[Path, Argument(help="The folder of a backup.", show_default=False)],
    snapshot: Annotated[str, Option(help="Which snapshot; the newest where not given.")] = "",
    data: Data = None,
) -> None:
    """Make an archive from a backup, in a folder (and database, and bucket) that is empty."""
    from pellucid.archive.backup import restore as restore_archive
    from pellucid.cli.display import bar

    settings = _settings()
    with bar("restore") as progress:
        outcome = restore_archive(
            source, data or settings.data, snapshot=snapshot, places=settings.places(), progress=progress
        )
    for name in outcome.missing:
        typer.echo(f"object {name} is missing or damaged in the backup", err=True)
    typer.echo(f"restored {outcome.name}: {outcome.rows} rows, {outcome.copied} objects")
    if outcome.missing:
        raise typer.Exit(code=1)


def _settings() -> Settings:
    from pellucid.server import Settings

    return Settings()


def _move_index_away(folder: Path) -> None:
    if not (folder / "objects").is_dir():
        raise InvalidInputError("holds no objects", file=folder)
    for name in ("index.sqlite", "index.sqlite-wal", "index.sqlite-shm"):
        old = folder / name
        if old.exists():
            old.replace(folder / name.replace("index.sqlite", "index.sqlite.old"))


def _label(file: Path) -> AcquisitionLabel:
    """What a raw signal's file says of itself."""
    from pellucid import container
    from pellucid.archive import AcquisitionLabel

    raw = container.read(file)
    return AcquisitionLabel(
        modality=raw.modality,
        description=raw.description,
        patient_name=raw.study.patient_name,
        study_instance_uid=raw.study.study_instance_uid,
    )
