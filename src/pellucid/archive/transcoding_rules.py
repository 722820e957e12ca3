"""Rules that transcode what arrives: noted in the transaction that stores it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from pellucid.archive.batch import Stored
from pellucid.archive.query import Query
from pellucid.archive.schema import InstanceRow
from pellucid.archive.transcoding_tables import TranscodingRow
from pellucid.codecs.syntaxes import named
from pellucid.errors import InvalidInputError

_CHUNK = 500


@dataclass(frozen=True, kw_only=True)
class TranscodingRule:
    """What arrives and matches `where` becomes `to`, without loss.

    `where`: DICOM keywords and values as a query writes them. `to`: a transfer syntax by UID or short name.
    """

    to: str
    where: Mapping[str, str] = field(default_factory=dict)
    keep_original: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "to", named(self.to))
        unsupported = Query("instance", dict(self.where)).unsupported
        if unsupported:
            raise InvalidInputError("cannot be matched", field=f"transcoding rule: {', '.join(unsupported)}")


@dataclass(frozen=True)
class TranscodingNotes:
    """Notes what the rules ask for; the first rule that matches an instance is its rule. For `Archive.on_store`."""

    rules: tuple[TranscodingRule, ...]

    def __call__(self, session: Session, stored: Sequence[Stored]) -> None:
        """Within the transaction that makes the instances visible."""
        left = [one.sop_instance_uid for one in stored if one.new]
        for rule in self.rules:
            matched = set(_matching(session, rule, left))
            now = text_of(datetime.now(UTC))
            session.add_all(
                TranscodingRow(
                    sop_instance_uid=uid,
                    transfer_syntax_uid=rule.to,
                    keep_original=rule.keep_original,
                    refused=False,
                    attempts=0,
                    not_before=now,
                    error="",
                )
                for uid in left
                if uid in matched
            )
            left = [uid for uid in left if uid not in matched]


def text_of(moment: datetime) -> str:
    """A moment as the tables hold it, which sorts as it passes."""
    return moment.isoformat(timespec="milliseconds")


def _matching(session: Session, rule: TranscodingRule, sop_uids: Sequence[str]) -> Iterator[str]:
    wanted = Query("instance", dict(rule.where)).instance_uids()
    wanted = wanted.where(InstanceRow.transfer_syntax_uid != rule.to, InstanceRow.pixel_tag != "")
    for start in range(0, len(sop_uids), _CHUNK):
        part = sop_uids[start : start + _CHUNK]
        yield from session.scalars(wanted.where(InstanceRow.sop_instance_uid.in_(part)))
