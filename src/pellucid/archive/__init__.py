"""The archive: one API over an index (SQLAlchemy) and objects (obstore), for images and raw signals.

    with Archive(folder) as archive:
        stored = archive.store(data)                      # the bytes of one DICOM file, exactly as received
        studies = archive.find(Query("study", {"PatientName": "DOE*"}))
        data = archive.fetch(stored.sop_instance_uid)

Objects are named by the SHA-256 of their content and written before the index names them; what `store` returned
is on disk. Several objects that belong together are stored all or not at all through `archive.batch()`.
The archive knows no modality: raw signals are files with a label.
"""

from pellucid.archive.archive import Archive
from pellucid.archive.batch import AcquisitionLabel, Batch, Stored
from pellucid.archive.objects import ObjectDamagedError
from pellucid.archive.places import Places
from pellucid.archive.policies import Policies
from pellucid.archive.query import Match, Query
from pellucid.archive.records import AcquisitionRecord, InstanceRecord, SeriesSource
from pellucid.archive.refusals import FailureReason, StoreRefusedError
from pellucid.archive.sender import ANYONE, Sender
from pellucid.archive.unavailable import ArchiveUnavailableError
from pellucid.archive.view import View
from pellucid.archive.visibility import EVERYTHING, NOTHING, Visible

__all__ = [
    "ANYONE",
    "EVERYTHING",
    "NOTHING",
    "AcquisitionLabel",
    "AcquisitionRecord",
    "Archive",
    "ArchiveUnavailableError",
    "Batch",
    "FailureReason",
    "InstanceRecord",
    "Match",
    "ObjectDamagedError",
    "Places",
    "Policies",
    "Query",
    "Sender",
    "SeriesSource",
    "StoreRefusedError",
    "Stored",
    "View",
    "Visible",
]
