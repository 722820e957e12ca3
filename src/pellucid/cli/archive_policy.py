"""`pellucid archive correct | merge-patient | corrections | undo | quarantine … | retention … | hold | unhold`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from enum import StrEnum
from getpass import getuser
from pathlib import Path
from typing import Annotated, Any

import typer
from typer import Argument, Option

from pellucid.cli.archive import Data, archive_app
from pellucid.cli.auditing import note
from pellucid.errors import InvalidInputError

quarantine_app = typer.Typer(
    name="quarantine", help="Objects that were refused because they contradict what is stored.", no_args_is_help=True
)
retention_app = typer.Typer(name="retention", help="Which studies are deleted after how long.", no_args_is_help=True)
Reason = Annotated[str, Option("--reason", help="Why; it is noted.", show_default=False)]
Study = Annotated[str, Argument(help="Study Instance UID.", show_default=False)]
AsJson = Annotated[bool, Option("--json", help="Print JSON.")]
Held = Annotated[str, Argument(help="The id, or its beginning; `quarantine list` shows it.", show_default=False)]


class Release(StrEnum):
    """How an object leaves the quarantine."""

    AS_IS = "as-is"
    REPLACE = "replace"
    NEW_UIDS = "new-uids"


class Action(StrEnum):
    """What a rule does with the studies that match."""

    DELETE = "delete"
    KEEP = "keep"


def register(_app: typer.Typer) -> None:
    """Add the commands."""
    archive_app.command()(correct)
    archive_app.command("merge-patient")(merge_patient)
    archive_app.command()(corrections)
    archive_app.command()(undo)
    archive_app.command()(hold)
    archive_app.command()(unhold)
    archive_app.add_typer(quarantine_app)
    archive_app.add_typer(retention_app)


def correct(
    study: Study,
    changes: Annotated[
        list[str], Argument(help="Such as PatientID=P2; an empty value takes it away.", metavar="KEYWORD=VALUE…")
    ],
    reason: Reason,
    data: Data = None,
) -> None:
    """Correct attributes of a patient or study in all instances of a study; `undo` takes it back."""
    from pellucid.archive.corrections import Corrections
    from pellucid.cli.dimse_output import archive_in, pairs
    from pellucid.cli.display import bar

    wanted = pairs(changes, "correct")
    with archive_in(data) as archive, bar("correct") as progress:
        made = Corrections(archive).correct(study, wanted, reason=reason, made_by=getuser(), progress=progress)
        note(archive, "Patient Record", "U", {study: ""}, reason=reason, changed=", ".join(wanted))
    typer.echo(
        f"correction {made.id}: {', '.join(wanted)} of one study; `pellucid archive undo {made.id}` takes it back"
    )


def merge_patient(
    patient_id: Annotated[str, Argument(help="The Patient ID that is given up.", show_default=False)],
    into: Annotated[str, Argument(help="The Patient ID that stays.", show_default=False)],
    reason: Reason,
    data: Data = None,
) -> None:
    """Let all studies of one patient be of another; `undo` takes it back."""
    from pellucid.archive.corrections import Corrections
    from pellucid.cli.dimse_output import archive_in
    from pellucid.cli.display import bar

    with archive_in(data) as archive, bar("merge") as progress:
        made = Corrections(archive).merge(patient_id, into, reason=reason, made_by=getuser(), progress=progress)
        studies = {one.study_instance_uid: into for one in made}
        note(archive, "Patient Record", "U", studies, reason=reason, changed="merge")
    typer.echo(f"{len(made)} studies are of that patient now; `pellucid archive undo {made[0].id}` takes it back")


def corrections(
    study: Annotated[str, Argument(help="Only of this study.")] = "", as_json: AsJson = False, data: Data = None
) -> None:
    """List corrections: what was changed, why, by whom, and whether it was taken back."""
    from pellucid.archive.corrections import Corrections
    from pellucid.cli.dimse_output import archive_in

    with archive_in(data) as archive:
        made = Corrections(archive).made(study)
    _show([asdict(one) for one in made], as_json=as_json)


def undo(correction: Annotated[int, Argument(help="Its number.", show_default=False)], data: Data = None) -> None:
    """Take a correction back, or a merge: what was received is given again."""
    from pellucid.archive.corrections import Corrections
    from pellucid.cli.dimse_output import archive_in
    from pellucid.cli.display import bar

    with archive_in(data) as archive, bar("undo") as progress:
        undone = Corrections(archive).undo(correction, progress=progress)
        studies = {one.study_instance_uid: "" for one in undone}
        note(archive, "Patient Record", "U", studies, changed=f"correction {correction} undone")
    typer.echo(f"{len(undone)} studies are as they were before")


def hold(study: Study, reason: Reason, data: Data = None) -> None:
    """No rule of retention deletes this study."""
    from pellucid.archive.retention import Retention
    from pellucid.cli.dimse_output import archive_in

    with archive_in(data) as archive:
        Retention(archive).hold(study, reason=reason, made_by=getuser())
        note(archive, "DICOM Instances Accessed", "U", {study: ""}, reason=reason, changed="hold")


def unhold(study: Study, data: Data = None) -> None:
    """Rules of retention apply to this study again."""
    from pellucid.archive.retention import Retention
    from pellucid.cli.dimse_output import archive_in

    with archive_in(data) as archive:
        if not Retention(archive).unhold(study):
            raise InvalidInputError(f"study {study} is not held", field="unhold")
        note(archive, "DICOM Instances Accessed", "U", {study: ""}, changed="hold ended")


@quarantine_app.command("list")
def list_quarantine(as_json: AsJson = False, data: Data = None) -> None:
    """List what is in quarantine, why, and who sent it."""
    from pellucid.cli.dimse_output import archive_in

    with archive_in(data) as archive:
        held = archive.quarantine.listing()
    _show([asdict(one) for one in held], as_json=as_json)


@quarantine_app.command()
def save(
    identifier: Held,
    output: Annotated[Path, Option("--output", "-o", help="The file to write.", show_default=False)],
    data: Data = None,
) -> None:
    """Write an object to a file, to look at it."""
    from pellucid.cli.dimse_output import archive_in

    with archive_in(data) as archive:
        output.write_bytes(archive.quarantine.read(identifier))


@quarantine_app.command()
def release(
    identifier: Held,
    how: Annotated[
        Release,
        Option(help="as-is; replace the instance of this UID, which stays as a version; or under new-uids."),
    ] = Release.AS_IS,
    data: Data = None,
) -> None:
    """Store an object after all."""
    from pellucid.cli.dimse_output import archive_in

    with archive_in(data) as archive:
        stored = archive.quarantine.release(identifier, how.value)
        note(archive, "DICOM Instances Accessed", "C", {stored.study_instance_uid: ""}, changed="out of quarantine")
    typer.echo(f"stored {stored.sop_instance_uid}")


@quarantine_app.command()
def drop(identifier: Held, data: Data = None) -> None:
    """Delete an object from the quarantine."""
    from pellucid.cli.dimse_output import archive_in

    with archive_in(data) as archive:
        archive.quarantine.drop(identifier)
        note(archive, "DICOM Instances Accessed", "D", {}, changed="dropped from quarantine")


@retention_app.command("list")
def list_rules(as_json: AsJson = False, data: Data = None) -> None:
    """List rules and holds."""
    from pellucid.archive.retention import Retention
    from pellucid.cli.dimse_output import archive_in

    with archive_in(data) as archive:
        retention = Retention(archive)
        rules = [{**asdict(rule), "match": dict(rule.match)} for rule in retention.rules()]
        found = rules + [{"hold": asdict(one)} for one in retention.holds()]
    _show(found, as_json=as_json)


@retention_app.command("set")
def set_rule(
    name: Annotated[str, Argument(help="The rule's name.", show_default=False)],
    action: Annotated[Action, Argument(help="delete, or keep whatever other rules say.", show_default=False)],
    match: Annotated[
        list[str] | None,
        Argument(help="modality=CT project=P older_than_days=3650 unread_for_days=365.", metavar="NAME=VALUE…"),
    ] = None,
    data: Data = None,
) -> None:
    """Add a rule, or change it."""
    from pellucid.archive.retention import Retention, Rule
    from pellucid.cli.dimse_output import archive_in, pairs

    rule = Rule(name=name, action=action.value, match=pairs(match, "rule"))
    with archive_in(data) as archive:
        Retention(archive).set_rule(rule)


@retention_app.command("remove")
def remove_rule(name: Annotated[str, Argument(help="The rule's name.", show_default=False)], data: Data = None) -> None:
    """Remove a rule."""
    from pellucid.archive.retention import Retention
    from pellucid.cli.dimse_output import archive_in

    with archive_in(data) as archive:
        if not Retention(archive).remove_rule(name):
            raise InvalidInputError(f"there is no rule {name!r}", field="retention")


@retention_app.command("run")
def run_rules(
    dry: Annotated[bool, Option("--dry-run", help="Only say what would be deleted.")] = False, data: Data = None
) -> None:
    """Delete the studies that rules say to delete."""
    from pellucid.archive.retention import Retention
    from pellucid.cli.dimse_output import archive_in
    from pellucid.cli.display import bar

    with archive_in(data) as archive, bar("retention") as progress:
        retention = Retention(archive)
        due = retention.due() if dry else retention.run(progress)
        if due and not dry:
            studies = {one.study_instance_uid: "" for one in due}
            note(archive, "DICOM Study Deleted", "D", studies, changed="retention")
    for one in due:
        typer.echo(f"{one.study_instance_uid} ({one.rule}, {one.stored_bytes / 1e6:.1f} MB)")
    typer.echo(f"{len(due)} studies {'would be' if dry else 'were'} deleted")


def _show(rows: Iterable[Mapping[str, Any]], *, as_json: bool) -> None:
    import json

    from pellucid.cli.display import description

    found = list(rows)
    if as_json:
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    for row in found:
        typer.echo(description(row) + "\n")
