"""How much an archive holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydicom.uid import UID
from sqlalchemy import func, select

from pellucid.archive.policy_tables import InstanceVersionRow, QuarantineRow
from pellucid.archive.schema import AcquisitionRow, InstanceRow, SeriesRow, StudyRow

if TYPE_CHECKING:
    from pellucid.archive.archive import Archive


def statistics(archive: Archive) -> dict[str, Any]:
    """Numbers and sizes [byte], by modality and by transfer syntax."""
    size = func.coalesce(func.sum(InstanceRow.object_size), 0)
    by_modality = (
        select(SeriesRow.modality, func.count(func.distinct(SeriesRow.series_instance_uid)), func.count(), size)
        .join(InstanceRow, InstanceRow.series_instance_uid == SeriesRow.series_instance_uid)
        .group_by(SeriesRow.modality)
        .order_by(SeriesRow.modality)
    )
    by_syntax = (
        select(InstanceRow.transfer_syntax_uid, func.count(), size)
        .group_by(InstanceRow.transfer_syntax_uid)
        .order_by(InstanceRow.transfer_syntax_uid)
    )
    with archive.reading() as session:

        def total(row: Any) -> dict[str, int]:
            number, taken = session.execute(
                select(func.count(), func.coalesce(func.sum(row.object_size), 0)).select_from(row)
            ).one()
            return {"number": int(number), "bytes": int(taken)}

        return {
            "patients": session.scalar(select(func.count(func.distinct(StudyRow.patient_id)))),
            "studies": session.scalar(select(func.count()).select_from(StudyRow)),
            "series": session.scalar(select(func.count()).select_from(SeriesRow)),
            "instances": total(InstanceRow),
            "raw_signals": total(AcquisitionRow),
            "earlier_versions": total(InstanceVersionRow),
            "quarantine": total(QuarantineRow),
            "by_modality": {
                modality or "(none)": {"series": series, "instances": number, "bytes": int(taken)}
                for modality, series, number, taken in session.execute(by_modality)
            },
            "by_transfer_syntax": {
                UID(syntax).name: {"instances": number, "bytes": int(taken)}
                for syntax, number, taken in session.execute(by_syntax)
            },
        }
