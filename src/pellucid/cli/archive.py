"""Commands that work on the archive itself: `pellucid archive …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer import Option

_GRACE_SECONDS = 10.0
archive_app = typer.Typer(help="Work on the archive itself.", no_args_is_help=True)
Data = Annotated[Path | None, Option("--data", help="The folder that holds the archive (pellucid-data).")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(archive_app, name="archive")


@archive_app.command()
def transcode(
    to: Annotated[
        str,
        Option(
            help="A transfer syntax: htj2k, jpeg2000, jpeg-ls, jpeg-lossless-sv1, rle, deflated, explicit …, or a UID."
        ),
    ],
    where: Annotated[
        list[str] | None,
        Option(help="Only what matches, such as Modality=CT; may be repeated.", metavar="KEYWORD=VALUE"),
    ] = None,
    keep_original: Annotated[
        bool, Option("--keep-original", help="Keep the objects as they were received too.")
    ] = False,
    data: Data = None,
) -> None:
    """Store images in another transfer syntax, without loss.

    Each is decoded again and compared before the original is dropped. May be stopped at any time and begun again.
    """
    from pellucid.archive.transcoding import Transcoder
    from pellucid.cli.dimse_output import archive_in, pairs
    from pellucid.cli.display import bar
    from pellucid.codecs import named, syntax_of

    wanted, filters = named(to), pairs(where, "--where")
    with archive_in(data) as archive, bar("transcode") as progress:
        outcome = Transcoder(archive, keep_original=keep_original, grace_seconds=_GRACE_SECONDS).run(
            wanted, filters, progress
        )
    typer.echo(
        f"{outcome.done} instances are {syntax_of(wanted).name}: {outcome.before / 1e6:.1f} MB became "
        f"{outcome.after / 1e6:.1f} MB"
    )
    for reason, count in outcome.refused.items():
        typer.echo(f"{count} stay as they are: {reason}", err=True)
    for uid, reason in outcome.failed.items():
        typer.echo(f"{uid}: {reason}", err=True)
    if outcome.failed:
        raise typer.Exit(code=1)
