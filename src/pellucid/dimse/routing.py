"""Rules that send new instances on: what matches goes into the queue in the transaction that makes it visible."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydicom.datadict import dictionary_VR, tag_for_keyword
from sqlalchemy import select
from sqlalchemy.orm import Session

from pellucid.archive import Archive, Stored
from pellucid.archive.prepared import Prepared
from pellucid.archive.schema import InstanceRow
from pellucid.dimse.deliveries import enqueue
from pellucid.dimse.matching import matches
from pellucid.dimse.partners import title_of
from pellucid.dimse.tables import RouteRow
from pellucid.dimse.web_partners import require_web_address
from pellucid.errors import InvalidInputError

AE, NOTIFY, FOLDER = "ae:", "notify:", "folder:"
_ANY_RULE = Prepared(select(RouteRow.name))


@dataclass(frozen=True, kw_only=True)
class Route:
    """New instances whose attributes match (by keyword, in the language of C-FIND) go to `destination`.

    `destination`: "ae:TITLE" (C-STORE), "https://…/dicom-web" (STOW-RS), "folder:/path", or "notify:TITLE" (an
    Instance Availability Notification for their study).
    """

    name: str
    destination: str
    match: Mapping[str, str] = field(default_factory=dict)
    enabled: bool = True

    def __post_init__(self) -> None:
        if not self.name or len(self.name) > 64:
            raise InvalidInputError("needs 1 to 64 characters", field="name")
        require_destination(self.destination)
        self.keys  # noqa: B018 (raises where a keyword is unknown)

    @property
    def keys(self) -> dict[str, Any]:
        """The rule's keys as DICOM JSON."""
        return {_tag(keyword): _key(keyword, value) for keyword, value in self.match.items()}


class Routes:
    """The rules in the archive's database."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def all(self) -> list[Route]:
        """Every rule, by name."""
        with self._archive.reading() as session:
            return _routes(session)

    def put(self, route: Route) -> None:
        """Add a rule, or change the one of that name."""
        row = RouteRow(
            name=route.name, match=json.dumps(dict(route.match)), destination=route.destination, enabled=route.enabled
        )
        with self._archive.writing() as session:
            session.merge(row)

    def remove(self, name: str) -> bool:
        """Remove a rule; whether it was there. What it has put into the queue stays there."""
        with self._archive.writing() as session:
            row = session.get(RouteRow, name)
            if row is not None:
                session.delete(row)
            return row is not None


def route_new_instances(session: Session, stored: Sequence[Stored]) -> None:
    """For `Archive.on_store`: put what matches a rule into the queue."""
    if _ANY_RULE.run(session.connection(), {}).first() is None:  # asked for every instance that is stored
        return
    rules = [rule for rule in _routes(session) if rule.enabled]
    noticed: set[tuple[str, str]] = set()
    for instance in stored:
        attributes = None
        for rule in rules:
            if rule.match and attributes is None:
                attributes = json.loads(session.get_one(InstanceRow, instance.sop_instance_uid).attributes)
            if matches(attributes or {}, rule.keys):
                _enqueue(session, rule, instance, noticed)


def require_destination(destination: str) -> None:
    """Raises `InvalidInputError` where this is no destination."""
    if destination.startswith((AE, NOTIFY)):
        title_of(destination.partition(":")[2], "destination")
    elif destination.startswith(FOLDER):
        if not Path(destination.removeprefix(FOLDER)).is_absolute():
            raise InvalidInputError(f"is {destination!r}; expected an absolute path", field="destination")
    else:
        every = "ae:TITLE, notify:TITLE, folder:/path or https://host/dicom-web"
        require_web_address(destination, "destination", expected=every)


def _enqueue(session: Session, rule: Route, instance: Stored, noticed: set[tuple[str, str]]) -> None:
    place = {"study": instance.study_instance_uid, "series": instance.series_instance_uid}
    if not rule.destination.startswith(NOTIFY):
        enqueue(session, "store", rule.destination, instance.sop_instance_uid, place)
    elif (rule.destination, instance.study_instance_uid) not in noticed:
        noticed.add((rule.destination, instance.study_instance_uid))
        enqueue(session, "notify", rule.destination, instance.study_instance_uid, place)


def _routes(session: Session) -> list[Route]:
    rows = session.scalars(select(RouteRow).order_by(RouteRow.name))
    return [
        Route(name=row.name, match=json.loads(row.match), destination=row.destination, enabled=row.enabled)
        for row in rows
    ]


def _tag(keyword: str) -> str:
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise InvalidInputError(f"is not a DICOM keyword: {keyword!r}", field="match")
    return f"{tag:08X}"


def _key(keyword: str, value: str) -> dict[str, Any]:
    vr = dictionary_VR(keyword)[:2]
    return {"vr": vr, "Value": [{"Alphabetic": value}] if vr == "PN" else value.split("\\")}
