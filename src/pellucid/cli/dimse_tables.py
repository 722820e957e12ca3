"""Commands for the archive's own tables: `ae`, `schedule`, `route` and `dicomweb`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from pellucid.cli.dimse_output import AsJson, Data, archive_in, pairs, show_steps, table
from pellucid.errors import InvalidInputError

ae_app = typer.Typer(help="Application entities: who may call, for what, and where they are.", no_args_is_help=True)
schedule_app = typer.Typer(help="The modality worklist that this archive answers.", no_args_is_help=True)
route_app = typer.Typer(help="Rules that send new instances on, and the queue.", no_args_is_help=True)
web_app = typer.Typer(help="DICOMweb servers that rules send to: how this one is known there.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(ae_app, name="ae")
    app.add_typer(schedule_app, name="schedule")
    app.add_typer(route_app, name="route")
    app.add_typer(web_app, name="dicomweb")


@ae_app.command("add")
def ae_add(
    title: Annotated[str, Argument(help="Its AE title; * stands for every caller without a rule of its own.")],
    host: Annotated[str, Option(help="Where it listens.")] = "",
    port: Annotated[int, Option(help="The port it listens on; 0: nothing is sent to it.", min=0, max=65535)] = 0,
    may: Annotated[
        list[str] | None, Option(help="find, read, store or schedule; may be repeated. None: it may not call.")
    ] = None,
    address: Annotated[list[str] | None, Option("--from", help="An address or network it may call from.")] = None,
    called: Annotated[list[str] | None, Option(help="A title of this archive that it may call.")] = None,
    project: Annotated[list[str] | None, Option(help="A project whose studies it sees; none: all studies.")] = None,
    tls: Annotated[bool, Option("--tls", help="Connections to it are encrypted.")] = False,
    description: Annotated[str, Option(help="A remark.")] = "",
    data: Data = None,
) -> None:
    """Add an application entity, or change the one of that title."""
    from pellucid.access import Permission
    from pellucid.dimse.partners import ApplicationEntity, Partners

    known = {permission.value: permission for permission in Permission}
    if unknown := [name for name in may or [] if name not in known]:
        raise InvalidInputError(f"is {unknown[0]!r}; expected find, read, store or schedule", field="--may")
    entity = ApplicationEntity(
        title=title,
        host=host,
        port=port,
        tls=tls,
        addresses=tuple(address or ()),
        called_titles=tuple(called or ()),
        permissions=frozenset(known[name] for name in may or ()),
        projects=frozenset(project or ()),
        description=description,
    )
    with archive_in(data) as archive:
        Partners(archive).put(entity)


@ae_app.command("list")
def ae_list(as_json: Annotated[bool, Option("--json", help="Print JSON.")] = False, data: Data = None) -> None:
    """Show the application entities."""
    from pellucid.dimse.partners import Partners

    with archive_in(data) as archive:
        rows = [
            {
                "title": entity.title,
                "address": f"{entity.host}:{entity.port}" if entity.port else "",
                "tls": "yes" if entity.tls else "",
                "may": ", ".join(sorted(entity.permissions)),
                "from": ", ".join(entity.addresses),
                "called": ", ".join(entity.called_titles),
                "projects": ", ".join(sorted(entity.projects)),
                "description": entity.description,
            }
            for entity in Partners(archive).all()
        ]
    table(rows, as_json=as_json)


@ae_app.command("remove")
def ae_remove(title: str, data: Data = None) -> None:
    """Remove an application entity."""
    from pellucid.dimse.partners import Partners

    with archive_in(data) as archive:
        if not Partners(archive).remove(title):
            raise InvalidInputError(f"is {title!r}; there is none of that title", field="title")


@schedule_app.command("add")
def schedule_add(
    file: Annotated[Path, Argument(help="DICOM JSON, or a DICOM file such as DCMTK's worklist files.")],
    data: Data = None,
) -> None:
    """Schedule a procedure step."""
    from pellucid.dimse.asking import worklist_file
    from pellucid.dimse.worklist import Worklist

    with archive_in(data) as archive:
        typer.echo(Worklist(archive).add(worklist_file(file)))


@schedule_app.command("list")
def schedule_list(as_json: AsJson = False, data: Data = None) -> None:
    """Show what is scheduled, and what became of it."""
    from pellucid.dimse.worklist import Worklist

    with archive_in(data) as archive:
        items = Worklist(archive).all()
    show_steps([attributes for _, attributes in items], as_json=as_json, ids=[item_id for item_id, _ in items])


@schedule_app.command("remove")
def schedule_remove(item_id: str, data: Data = None) -> None:
    """Remove a procedure step from the worklist."""
    from pellucid.dimse.worklist import Worklist

    with archive_in(data) as archive:
        if not Worklist(archive).remove(item_id):
            raise InvalidInputError(f"is {item_id!r}; there is none of that id", field="id")


@route_app.command("add")
def route_add(
    name: str,
    destination: Annotated[
        str, Argument(help="ae:TITLE, https://host/dicom-web, folder:/path, or notify:TITLE.", show_default=False)
    ],
    match: Annotated[
        list[str] | None, Option("--match", "-m", help="What must match; may be repeated.", metavar="KEYWORD=VALUE")
    ] = None,
    disabled: Annotated[bool, Option("--disabled", help="Keep the rule, but send nothing.")] = False,
    data: Data = None,
) -> None:
    """Send new instances that match on, or change the rule of that name."""
    from pellucid.dimse.routing import Route, Routes

    route = Route(name=name, destination=destination, match=pairs(match, "--match"), enabled=not disabled)
    with archive_in(data) as archive:
        Routes(archive).put(route)


@route_app.command("list")
def route_list(as_json: Annotated[bool, Option("--json", help="Print JSON.")] = False, data: Data = None) -> None:
    """Show the rules."""
    from pellucid.dimse.routing import Routes

    with archive_in(data) as archive:
        rows = [
            {
                "name": route.name,
                "destination": route.destination,
                "match": " ".join(f"{keyword}={value}" for keyword, value in route.match.items()),
                "enabled": "yes" if route.enabled else "no",
            }
            for route in Routes(archive).all()
        ]
    table(rows, as_json=as_json)


@route_app.command("remove")
def route_remove(name: str, data: Data = None) -> None:
    """Remove a rule; what waits in the queue stays there."""
    from pellucid.dimse.routing import Routes

    with archive_in(data) as archive:
        if not Routes(archive).remove(name):
            raise InvalidInputError(f"is {name!r}; there is no rule of that name", field="name")


@route_app.command("queue")
def route_queue(
    cancel: Annotated[list[int] | None, Option(help="Remove this delivery; may be repeated.")] = None,
    retry: Annotated[list[int] | None, Option(help="Try this one at once; may be repeated.")] = None,
    cancel_all: Annotated[bool, Option("--cancel-all", help="Remove everything that waits.")] = False,
    retry_all: Annotated[bool, Option("--retry-all", help="Try everything at once.")] = False,
    as_json: Annotated[bool, Option("--json", help="Print JSON.")] = False,
    data: Data = None,
) -> None:
    """Show what waits to be delivered, cancel it, or have it tried at once."""
    from pellucid.dimse.asking import queue_rows
    from pellucid.dimse.deliveries import Deliveries

    with archive_in(data) as archive:
        queue = Deliveries(archive)
        if cancel or cancel_all:
            typer.echo(f"cancelled {queue.cancel(None if cancel_all else cancel)}")
        elif retry or retry_all:
            typer.echo(f"to be tried again: {queue.retry(None if retry_all else retry)}")
        else:
            table(queue_rows(queue.all()), as_json=as_json)


@web_app.command("add")
def web_add(
    url: Annotated[str, Argument(help="Its address as rules name it: https://host/dicom-web.", show_default=False)],
    token: Annotated[str, Option(help="Where the bearer token is: env:NAME or file:/path.")] = "",
    user: Annotated[str, Option(help="User name, where it asks for name and password.")] = "",
    password: Annotated[str, Option(help="Where the password is: env:NAME or file:/path.")] = "",
    authorities: Annotated[Path | None, Option(help="PEM file of certificates to trust, too.")] = None,
    certificate: Annotated[Path | None, Option(help="PEM file of this side's certificate.")] = None,
    private_key: Annotated[Path | None, Option(help="PEM file of its private key.")] = None,
    data: Data = None,
) -> None:
    """Say with what to come to a DICOMweb server; secrets stay where they are, and are read when they are needed."""
    from pellucid.dimse.web_partners import WebPartner, WebPartners

    files = {"authorities": authorities, "certificate": certificate, "private_key": private_key}
    partner = WebPartner(
        url=url,
        token=token,
        user=user,
        password=password,
        **{name: str(file.resolve()) if file else "" for name, file in files.items()},
    )
    with archive_in(data) as archive:
        WebPartners(archive).put(partner)


@web_app.command("list")
def web_list(as_json: Annotated[bool, Option("--json", help="Print JSON.")] = False, data: Data = None) -> None:
    """Show the servers; of secrets, where they are."""
    from dataclasses import asdict

    from pellucid.dimse.web_partners import WebPartners

    with archive_in(data) as archive:
        rows = [asdict(partner) for partner in WebPartners(archive).all()]
    table(rows, as_json=as_json)


@web_app.command("remove")
def web_remove(url: str, data: Data = None) -> None:
    """Forget with what to come to a server."""
    from pellucid.dimse.web_partners import WebPartners

    with archive_in(data) as archive:
        if not WebPartners(archive).remove(url):
            raise InvalidInputError("there is none of that address", field="url")
