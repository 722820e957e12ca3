"""`pellucid user | project | audit`: accounts, the projects that studies belong to, and the audit trail."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from getpass import getpass, getuser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from pellucid.errors import InvalidInputError

if TYPE_CHECKING:
    from pellucid.access import Caller
    from pellucid.access.accounts import Account
    from pellucid.access.doorkeeper import Doorkeeper

user_app = typer.Typer(name="user", help="Accounts of people who log in.", no_args_is_help=True)
project_app = typer.Typer(name="project", help="Projects that studies belong to, and rules.", no_args_is_help=True)
audit_app = typer.Typer(name="audit", help="The audit trail (DICOM PS3.15 A.5).", no_args_is_help=True)

DataFolder = Annotated[Path | None, Option("--data", help="The folder that holds the archive (pellucid-data).")]
Name = Annotated[str, Argument(help="The name to log in by.", show_default=False)]
Roles = Annotated[
    list[str] | None,
    Option("--role", help="reader, technologist, physician, scientist, monitor, administrator or auditor; repeatable."),
]
Projects = Annotated[
    list[str] | None, Option("--project", help='A project whose studies are seen; "*": all studies; repeatable.')
]
Studies = Annotated[list[str] | None, Option("--study", help="Study Instance UID that is seen besides; repeatable.")]
_CHANGED = "User security Attributes Changed"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(user_app)
    app.add_typer(project_app)
    app.add_typer(audit_app)


@user_app.command("add")
def add_user(
    name: Name,
    role: Roles = None,
    project: Projects = None,
    study: Studies = None,
    full_name: Annotated[str, Option(help="What the person is called.")] = "",
    data: DataFolder = None,
) -> None:
    """Add an account; the password is asked for, or is the first line of standard input."""
    from pellucid.access.accounts import Account, name_of
    from pellucid.access.roles import role_of

    if not role:
        raise InvalidInputError("is missing; such as --role physician", field="--role")
    if not (project or study) and role != ["auditor"]:
        raise InvalidInputError('is missing; which studies are seen? --project "*" for all', field="--project")
    account = Account(
        name=name_of(name),
        full_name=full_name,
        roles=frozenset(map(role_of, role)),
        projects=frozenset(project or ()),
        studies=frozenset(study or ()),
    )
    with _keeper(data) as keeper:
        keeper.accounts.add(account, _new_password())
        _note(keeper, account.name, "added")
    typer.echo(f"added {account.name}")


@user_app.command("list")
def list_users(as_json: Annotated[bool, Option("--json", help="Print JSON.")] = False, data: DataFolder = None) -> None:
    """List the accounts."""
    with _keeper(data) as keeper:
        accounts = keeper.accounts.all()
    if as_json:
        typer.echo(json.dumps([_description(account) for account in accounts], indent=2))
        return
    for account in accounts:
        seen = ", ".join(sorted(account.projects)) or "no project"
        state = "" if account.active else "  (switched off)"
        provider = f"  at {account.issuer}" if account.issuer else ""
        typer.echo(f"{account.name}  {', '.join(sorted(account.roles))}  sees: {seen}{provider}{state}")


@user_app.command("remove")
def remove_user(name: Name, data: DataFolder = None) -> None:
    """Remove an account, with its sessions, tokens and links."""
    with _keeper(data) as keeper:
        found = keeper.accounts.get(name)
        keeper.accounts.remove(found.name)
        _note(keeper, found.name, "removed")
    typer.echo(f"removed {found.name}")


@user_app.command("password")
def set_password(name: Name, data: DataFolder = None) -> None:
    """Give an account another password; its sessions end."""
    with _keeper(data) as keeper:
        found = keeper.accounts.get(name)
        keeper.accounts.set_password(found.name, _new_password())
        _note(keeper, found.name, "password")
    typer.echo(f"changed the password of {found.name}")


@user_app.command("role")
def set_roles(
    name: Name,
    role: Roles = None,
    project: Projects = None,
    study: Studies = None,
    active: Annotated[bool | None, Option("--on/--off", help="Whether the account may log in.")] = None,
    data: DataFolder = None,
) -> None:
    """Change what an account may do and see; what is not given stays."""
    from pellucid.access.roles import role_of

    with _keeper(data) as keeper:
        found = keeper.accounts.get(name)
        changed = replace(
            found,
            roles=frozenset(map(role_of, role)) if role else found.roles,
            projects=frozenset(project) if project else found.projects,
            studies=frozenset(study) if study else found.studies,
            active=found.active if active is None else active,
        )
        keeper.accounts.change(changed)
        _note(keeper, found.name, f"roles {' '.join(sorted(changed.roles))}")
    typer.echo(f"changed {found.name}")


@user_app.command("token")
def make_token(
    name: Name,
    description: Annotated[str, Option(help="What the token is for.")],
    days: Annotated[int, Option(help="For how long.", min=1, max=366)] = 90,
    permission: Annotated[
        list[str] | None, Option(help="What it may be used for; repeatable [as the account].")
    ] = None,
    data: DataFolder = None,
) -> None:
    """Make a token for a program of somebody; it is printed this once."""
    from pellucid.access import Permission
    from pellucid.errors import UnknownOptionError

    for text in permission or ():
        if text not in list(Permission):
            raise UnknownOptionError("permission", text, list(Permission))
    with _keeper(data) as keeper:
        found = keeper.accounts.get(name)
        chosen = [Permission(text) for text in permission] if permission else None
        token, secret = keeper.tokens.make(found, description, days=days, permissions=chosen)
        _note(keeper, found.name, f"token {token.id}")
    typer.echo(secret)


@project_app.command("list")
def list_projects(data: DataFolder = None) -> None:
    """List projects and rules."""
    with _keeper(data) as keeper:
        for project in keeper.projects.names():
            typer.echo(project)
        for rule in keeper.projects.rules():
            conditions = ", ".join(f"{name}={pattern}" for name, pattern in rule.match.items())
            typer.echo(f"  rule {rule.name}: {conditions} -> {rule.project}")


@project_app.command("put")
def put_study(
    study: Annotated[str, Argument(help="Study Instance UID.", show_default=False)],
    project: Projects = None,
    data: DataFolder = None,
) -> None:
    """Let a study belong to these projects, and no others."""
    with _keeper(data) as keeper:
        keeper.projects.put(study, project or ())
        _note(keeper, study, f"projects {' '.join(project or ())}", kind="Object Security Attributes Changed")


@project_app.command("rule")
def add_rule(
    name: Annotated[str, Argument(help="What the rule is called.", show_default=False)],
    project: Annotated[str, Option(help="The project that matching studies join; empty: the rule is removed.")] = "",
    match: Annotated[
        list[str] | None,
        Option("--match", help="KEYWORD=PATTERN with * and ?; SourceAE=TITLE: who sent it; repeatable."),
    ] = None,
    data: DataFolder = None,
) -> None:
    """Add a rule for studies that arrive, change it, or remove it."""
    from pellucid.access.projects import ProjectRule

    with _keeper(data) as keeper:
        if project:
            pairs = dict(text.partition("=")[::2] for text in match or ())
            keeper.projects.add_rule(ProjectRule(name=name, match=pairs, project=project))
        elif not keeper.projects.remove_rule(name):
            raise InvalidInputError(f"there is no rule {name!r}", field="rule")
        _note(keeper, f"rule {name}", project or "removed", kind="Security Configuration")


@audit_app.command("list")
def list_audit(
    event: Annotated[str, Option(help="Such as Query or User Authentication.")] = "",
    who: Annotated[str, Option(help="Name of an account or AE title.")] = "",
    subject: Annotated[str, Option(help="Study Instance UID or Patient ID.")] = "",
    since: Annotated[str, Option(help="From this time on: 2026-11-22, or with hours.")] = "",
    until: Annotated[str, Option(help="To the end of this time.")] = "",
    limit: Annotated[int, Option(min=1, max=100_000)] = 100,
    as_json: Annotated[bool, Option("--json", help="Print JSON, one record a line.")] = False,
    as_xml: Annotated[bool, Option("--xml", help="Print DICOM audit messages, one a line.")] = False,
    data: DataFolder = None,
) -> None:
    """List records, the newest first."""
    from pellucid.access import AuditEvent
    from pellucid.access.audit_message import message_of
    from pellucid.access.trail import AuditSearch

    asked = AuditSearch(event=event, caller=who, subject=subject, since=since, until=until, limit=limit)
    with _keeper(data) as keeper:
        records = keeper.trail.search(asked)
        keeper.audit(AuditEvent(event="Audit Log Used", action="R", caller=_operator()))
    for record in records:
        if as_xml:
            typer.echo(message_of(record, source="pellucid").decode().partition("\n")[2])
        elif as_json:
            typer.echo(json.dumps(asdict(record)))
        else:
            about = " ".join(record.studies) or " ".join(f"{k}={v}" for k, v in record.detail.items())
            failed = "" if record.outcome == 0 else f"  FAILED ({int(record.outcome)})"
            typer.echo(f"{record.sequence}  {record.time}  {record.caller}  {record.event}{failed}  {about}")


@audit_app.command("verify")
def verify_audit(
    anchor: Annotated[Path | None, Option(help="A file with anchors that were noted earlier.")] = None,
    data: DataFolder = None,
) -> None:
    """Find what was changed, inserted or taken out; 1 where there is something."""
    from pellucid.access.audit_export import read_anchors

    anchors = read_anchors(anchor) if anchor else []
    with _keeper(data) as keeper:
        faults = list(keeper.trail.verify(anchors))
        head = keeper.trail.head()
    for fault in faults:
        typer.echo(fault)
    if faults:
        raise typer.Exit(code=1)
    typer.echo(f"{head.sequence} records, none changed, inserted or missing; the last is {head.digest}")


@audit_app.command("anchor")
def anchor_audit(
    file: Annotated[
        Path | None, Argument(help="The file to add it to; else it is printed.", show_default=False)
    ] = None,
    data: DataFolder = None,
) -> None:
    """Note the end of the trail now; kept elsewhere, it shows later that nothing before it was changed."""
    from pellucid.access.audit_export import write_anchor

    with _keeper(data) as keeper:
        head = keeper.trail.head()
    if file is None:
        typer.echo(json.dumps(asdict(head)))
    else:
        write_anchor(file, head)


@contextmanager
def _keeper(data: Path | None) -> Iterator[Doorkeeper]:
    from pellucid.access.doorkeeper import Doorkeeper
    from pellucid.archive import Archive
    from pellucid.server import Settings

    settings = Settings(**({"data": data} if data else {}))
    with Archive(settings.data, places=settings.places()) as archive:
        keeper = Doorkeeper(archive)
        try:
            yield keeper
        finally:
            keeper.close()


def _new_password() -> str:
    """Typed twice, or read from standard input where that is no terminal; never an argument, which others see."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    first = getpass("Password: ")
    if getpass("Again: ") != first:
        raise InvalidInputError("was not the same twice", field="password")
    return first


def _operator() -> Caller:
    from pellucid.access import LOCAL

    return replace(LOCAL, name=f"{getuser()} at the command line")


def _note(keeper: Doorkeeper, subject: str, what: str, kind: str = _CHANGED) -> None:
    keeper.note(_operator(), "Security Alert", kind, subject=subject, detail={"what": what})


def _description(account: Account) -> dict[str, object]:
    return {
        "name": account.name,
        "full_name": account.full_name,
        "roles": sorted(account.roles),
        "projects": sorted(account.projects),
        "studies": sorted(account.studies),
        "active": account.active,
        "issuer": account.issuer,
        "created": datetime.fromtimestamp(account.created, UTC).isoformat(timespec="seconds"),
    }
