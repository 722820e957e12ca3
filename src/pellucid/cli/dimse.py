"""Commands that call other applications: `echo`, `send`, `query`, `fetch`, `worklist`; and `conformance`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from pellucid.cli import dimse_tables
from pellucid.cli.dimse_output import AsJson, Data, archive_in, pairs, show, show_steps
from pellucid.errors import InvalidInputError

if TYPE_CHECKING:
    from pellucid.dimse.requestor import Peer
    from pellucid.dimse.services import InformationModel

PeerName = Annotated[
    str,
    Argument(help="TITLE@host:port, or the title of one that `pellucid ae list` shows.", show_default=False),
]
Calling = Annotated[str, Option("--aet", help="The AE title to call with.")]
Tls = Annotated[bool, Option("--tls", help="Encrypt the connection.")]
Authorities = Annotated[Path | None, Option(help="PEM file of the certificates to trust with --tls.")]
Certificate = Annotated[Path | None, Option(help="PEM file of this side's certificate.")]
PrivateKey = Annotated[Path | None, Option(help="PEM file of its private key.")]
User = Annotated[str, Option(help="User name to be known by; the password is read from PELLUCID_DIMSE_PASSWORD.")]
Root = Annotated[str, Option(help="The information model: study, or patient.")]
Keys = Annotated[
    list[str] | None,
    Option("--key", "-k", help="Keyword=value to match; may be repeated.", metavar="KEYWORD=VALUE"),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (echo, send, query, fetch, worklist, conformance):
        app.command()(command)
    dimse_tables.register(app)


def echo(
    peer: PeerName,
    aet: Calling = "PELLUCID",
    tls: Tls = False,
    authorities: Authorities = None,
    certificate: Certificate = None,
    private_key: PrivateKey = None,
    user: User = "",
    data: Data = None,
) -> None:
    """Ask whether an application is there (C-ECHO)."""
    from pellucid.dimse import clients

    called = _peer(peer, data, aet, tls=tls, files=(authorities, certificate, private_key), user=user)
    typer.echo(f"{called.title} answers in {clients.echo(called) * 1000:.1f} ms")


def send(
    peer: PeerName,
    paths: Annotated[list[Path], Argument(help="DICOM files, or folders with them.", show_default=False)],
    aet: Calling = "PELLUCID",
    resume: Annotated[
        Path | None, Option(help="A file that remembers what was taken; what it lists is not sent again.")
    ] = None,
    skip_existing: Annotated[bool, Option(help="Ask first (C-FIND) and leave out what is there.")] = False,
    commit: Annotated[bool, Option(help="Ask for storage commitment; the report comes to this archive.")] = False,
    tls: Tls = False,
    authorities: Authorities = None,
    certificate: Certificate = None,
    private_key: PrivateKey = None,
    user: User = "",
    data: Data = None,
) -> None:
    """Send DICOM files to another application (C-STORE)."""
    from pellucid.cli.display import bar
    from pellucid.dimse.sending_files import StateFile, send_files

    called = _peer(peer, data, aet, tls=tls, files=(authorities, certificate, private_key), user=user)
    state = StateFile(resume, called) if resume else None
    with bar(f"send to {called.title}") as progress:
        outcome = send_files(called, paths, state=state, ask_first=skip_existing, progress=progress)
    typer.echo(
        f"sent {len(outcome.sent)}, already there {outcome.already_there}, failed {len(outcome.failed)}, "
        f"not DICOM {outcome.ignored}"
    )
    for path, reason in outcome.failed.items():
        typer.echo(f"{path}: {reason}", err=True)
    if commit and outcome.sent:
        from pellucid.dimse.asking import ask_for_commitment

        with archive_in(data) as archive:
            references = [(file.sop_class_uid, file.sop_instance_uid) for file in outcome.sent]
            transaction = ask_for_commitment(archive, called, references)
        typer.echo(f"asked for storage commitment: transaction {transaction}")
    if outcome.failed:
        raise typer.Exit(code=1)


def query(
    peer: PeerName,
    key: Keys = None,
    level: Annotated[str, Option(help="study, series or image; with --root patient also patient.")] = "study",
    root: Root = "study",
    returned: Annotated[
        list[str] | None, Option("--return", "-r", help="A keyword to be told; may be repeated.", metavar="KEYWORD")
    ] = None,
    fuzzy: Annotated[bool, Option(help="Match names by their beginnings.")] = False,
    aet: Calling = "PELLUCID",
    as_json: AsJson = False,
    tls: Tls = False,
    authorities: Authorities = None,
    certificate: Certificate = None,
    private_key: PrivateKey = None,
    user: User = "",
    data: Data = None,
) -> None:
    """Search another archive (C-FIND)."""
    from pellucid.dimse import clients

    model = _model(root)
    if level.upper() not in model.levels:
        raise InvalidInputError(f"is {level!r}; expected {', '.join(model.levels).lower()}", field="--level")
    called = _peer(peer, data, aet, tls=tls, files=(authorities, certificate, private_key), user=user)
    names = tuple(returned) if returned else clients.RETURNED[level.upper()]
    keys = pairs(key, "--key")
    found = list(clients.find(called, level.upper(), keys, model=model, returned=names, fuzzy=fuzzy))
    show(found, list(dict.fromkeys((*names, *keys))), as_json=as_json)


def fetch(
    peer: PeerName,
    key: Keys = None,
    output: Annotated[
        Path | None, Option("--output", "-o", help="A folder for the files; without, they go into the archive.")
    ] = None,
    root: Root = "study",
    move: Annotated[
        int | None, Option(help="Use C-MOVE to this AE title, which the peer knows at this port.", min=1, max=65535)
    ] = None,
    aet: Calling = "PELLUCID",
    tls: Tls = False,
    authorities: Authorities = None,
    certificate: Certificate = None,
    private_key: PrivateKey = None,
    user: User = "",
    data: Data = None,
) -> None:
    """Fetch what matches from another archive (C-GET, or C-MOVE); what is here already is left out."""
    from pellucid.cli.display import bar
    from pellucid.dimse.fetching import Folder
    from pellucid.dimse.fetching import fetch as start

    keys = pairs(key, "--key")
    if not keys:
        raise InvalidInputError("needs at least one KEYWORD=VALUE, such as StudyInstanceUID=…", field="--key")
    called = _peer(peer, data, aet, tls=tls, files=(authorities, certificate, private_key), user=user)
    with bar(f"fetch from {called.title}") as progress:
        if output is not None:
            outcome = start(called, keys, Folder(output), move_port=move, model=_model(root), progress=progress)
        else:
            with archive_in(data) as archive:
                outcome = start(called, keys, archive, move_port=move, model=_model(root), progress=progress)
    typer.echo(f"fetched {outcome.fetched}, already here {outcome.already_here}, failed {outcome.failed}")
    for problem in outcome.problems:
        typer.echo(problem, err=True)
    if outcome.failed or outcome.problems:
        raise typer.Exit(code=1)


def worklist(
    peer: PeerName,
    key: Keys = None,
    aet: Calling = "PELLUCID",
    as_json: AsJson = False,
    tls: Tls = False,
    authorities: Authorities = None,
    certificate: Certificate = None,
    private_key: PrivateKey = None,
    user: User = "",
    data: Data = None,
) -> None:
    """Ask a worklist what is to be done (Modality Worklist C-FIND)."""
    from pellucid.dimse import clients

    called = _peer(peer, data, aet, tls=tls, files=(authorities, certificate, private_key), user=user)
    found = list(clients.find_worklist(called, pairs(key, "--key")))
    show_steps(found, as_json=as_json)


def conformance() -> None:
    """Print the DICOM conformance statement, made from the program's own tables."""
    from pellucid.dimse.conformance import statement

    typer.echo(statement())


def _model(root: str) -> InformationModel:
    from pellucid.dimse.services import PATIENT_ROOT, STUDY_ROOT

    known = {"study": STUDY_ROOT, "patient": PATIENT_ROOT}
    if root not in known:
        raise InvalidInputError(f"is {root!r}; expected study or patient", field="--root")
    return known[root]


def _peer(
    name: str,
    data: Path | None,
    aet: str,
    *,
    tls: bool,
    files: tuple[Path | None, Path | None, Path | None],
    user: str,
) -> Peer:
    import os

    from pellucid.dimse.clients import peer_of, with_title
    from pellucid.dimse.partners import Partners
    from pellucid.dimse.tls import TlsFiles

    known = {}
    if "@" not in name:
        with archive_in(data) as archive:
            known = {entity.title: entity for entity in Partners(archive).all()}
    encrypted = tls or (name in known and known[name].tls)
    authorities, certificate, key = files
    context = TlsFiles(certificate=certificate, key=key, authorities=authorities).for_calling() if encrypted else None
    password = os.environ.get("PELLUCID_DIMSE_PASSWORD", "")
    return with_title(peer_of(name, known, tls=context, user=user, password=password if user else ""), aet)
