"""Raw signals and the images made from them, kept in the archive; what the interfaces and the demonstration use."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pellucid import __version__, container
from pellucid.access import LOCAL
from pellucid.access.audit_export import Background
from pellucid.access.trail import AuditTrailError
from pellucid.acquisition import Acquisition
from pellucid.archive import ANYONE, AcquisitionLabel, Archive, Batch, Query, Sender, Stored, StoreRefusedError
from pellucid.archive.archive import Limits
from pellucid.archive.transcoding_queue import TranscodingQueue
from pellucid.errors import InvalidInputError
from pellucid.image import Image
from pellucid.modality import Method, all_modalities
from pellucid.server.entrance import doorkeeper, export_audit
from pellucid.server.job_memory import JobMemory
from pellucid.server.jobs import JobRunner
from pellucid.server.raw_details import DetailsCache
from pellucid.server.security import log_without_values
from pellucid.server.settings import Settings
from pellucid.server.storage import Storage

_LO_LENGTH = 64


@dataclass
class Made:
    """Identifiers of what was stored, in the order it came."""

    study_instance_uids: list[str] = field(default_factory=list)
    series_instance_uids: list[str] = field(default_factory=list)
    acquisition_ids: list[str] = field(default_factory=list)

    def note(self, stored: Stored) -> None:
        """Note one stored instance."""
        self.note_study(stored.study_instance_uid)
        if stored.series_instance_uid not in self.series_instance_uids:
            self.series_instance_uids.append(stored.series_instance_uid)

    def note_study(self, study_uid: str) -> None:
        """Note the study of something stored."""
        if study_uid and study_uid not in self.study_instance_uids:
            self.study_instance_uids.append(study_uid)

    def to_json(self) -> dict[str, list[str]]:
        """For a job's result."""
        return {
            "study_instance_uids": self.study_instance_uids,
            "series_instance_uids": self.series_instance_uids,
            "acquisition_ids": self.acquisition_ids,
        }


class Deposit:
    """Signals, images and DICOM files that are stored together: all at the end, or none."""

    def __init__(self, archive: Archive, batch: Batch) -> None:
        self.made = Made()
        self._archive = archive
        self._batch = batch
        self._series_numbers: dict[str, int] = {}

    def add_acquisition(self, raw: Acquisition) -> str:
        """Keep a signal; its id."""
        label = AcquisitionLabel(
            modality=raw.modality,
            description=raw.description,
            patient_name=raw.study.patient_name,
            study_instance_uid=raw.study.study_instance_uid,
        )
        with TemporaryDirectory(prefix="acquisition-", dir=self._archive.incoming) as folder:
            file = Path(folder) / "raw.pellucid.h5"
            container.write(raw, file)
            acquisition_id = self._batch.add_acquisition(file, label)
        self.made.acquisition_ids.append(acquisition_id)
        self.made.note_study(label.study_instance_uid)
        return acquisition_id

    def add_image(
        self,
        image: Image,
        *,
        acquisition_id: str | None = None,
        method: str | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> str:
        """Keep an image as a DICOM series; its Series Instance UID.

        `acquisition_id`: the signal it was made from; `method`, `parameters`: how (default: as its provenance says).
        """
        from pellucid.dicom import to_datasets

        study_uid = image.study.study_instance_uid
        datasets = to_datasets(image, series_number=self._next_series_number(study_uid))
        for dataset in datasets:
            buffer = io.BytesIO()
            dataset.save_as(buffer, enforce_file_format=True)
            self.made.note(self._batch.store(buffer.getvalue()))
        series_uid = str(datasets[0].SeriesInstanceUID)
        if acquisition_id is not None:
            made_by = method or image.provenance.method.rpartition(".")[2]
            values = image.provenance.parameters if parameters is None else parameters
            self._batch.link(series_uid, acquisition_id, made_by, values)
        return series_uid

    def add_dicom(self, source: bytes | Path) -> Stored:
        """Keep one DICOM file as received; raises `StoreRefusedError` where it cannot be kept."""
        stored = self._batch.store(source)
        self.made.note(stored)
        return stored

    def _next_series_number(self, study_uid: str) -> int:
        if study_uid not in self._series_numbers:
            series = self._archive.find(Query("series", {"StudyInstanceUID": study_uid}))
            numbers = [value for match in series for value in match.attributes.get("00200011", {}).get("Value", [])]
            self._series_numbers[study_uid] = max((int(number) for number in numbers), default=0)
        self._series_numbers[study_uid] += 1
        return self._series_numbers[study_uid]


class Platform:
    """The archive and the jobs of one data folder."""

    def __init__(self, archive: Archive, jobs: JobRunner, settings: Settings) -> None:
        self.archive = archive
        self.jobs = jobs
        self.settings = settings
        self.keeper = doorkeeper(archive, settings)
        self.details = DetailsCache(self.acquisition)
        self.storage = Storage(archive)
        self._audit_export: Background | None = None
        self.association_counts: list[Callable[[], int]] = []
        self.stored_elsewhere: list[Callable[[], tuple[int, int]]] = []
        """Instances and bytes that other processes of this server have stored."""
        self.closers: list[Callable[[], None]] = []
        """What uses the archive and ends before it is closed."""
        self.transcoding = TranscodingQueue(archive)

    @classmethod
    def open(cls, settings: Settings) -> Platform:
        """The platform of `settings.data`, which is made where it is absent."""
        try:
            archive = Archive(
                settings.data,
                limits=Limits(instance_bytes=settings.instance_bytes, derived_bytes=settings.derived_bytes),
                places=settings.places(),
                policies=settings.policies,
                transcoding=settings.transcode,
            )
        except OSError as error:
            raise InvalidInputError(
                f"cannot be used as the data folder ({error.strerror or error})", file=settings.data
            ) from error
        # A process that works on the archive has its own folder there; those of others that died are gone by now.
        processes = archive.incoming.parent
        memory = JobMemory(archive.folder / "jobs", archive.incoming.name, lambda name: (processes / name).is_dir())
        jobs = JobRunner(workers=settings.job_workers, history=settings.job_history, memory=memory)
        return cls(archive, jobs, settings)

    def start(self) -> None:
        """Start working on jobs, and load the modalities, which takes seconds, before someone waits for them."""
        self.jobs.start()
        self.transcoding.start()
        self._audit_export = export_audit(self.settings, self.keeper.trail)
        self._note("Application Start")
        threading.Thread(target=_load_modalities, name="load modalities", daemon=True).start()

    def end_users(self) -> None:
        """End what uses the archive, the newest first."""
        while self.closers:
            self.closers.pop()()

    def close(self) -> None:
        """Stop jobs and close the archive."""
        self.end_users()
        self.jobs.stop()
        self.jobs.join(self.settings.grace_seconds)
        self.transcoding.stop()
        if self._audit_export is not None:
            with suppress(AuditTrailError):
                self._note("Application Stop")
            self._audit_export.stop()
            self._audit_export = None
        self.keeper.close()
        self.archive.close()

    def _note(self, kind: str) -> None:
        self.keeper.note(LOCAL, "Application Activity", kind, subject=f"pellucid {__version__}")

    def open_associations(self) -> int:
        """How many DICOM associations are being served."""
        return sum(count() for count in self.association_counts)

    @contextmanager
    def deposit(self, sender: Sender = ANYONE) -> Iterator[Deposit]:
        """Store things together: all when the block ends, none where it raises."""
        with self.archive.batch(sender) as batch:
            yield Deposit(self.archive, batch)

    def add_acquisition(self, raw: Acquisition) -> str:
        """Keep a signal; its id."""
        with self.deposit() as deposit:
            return deposit.add_acquisition(raw)

    def add_image(
        self,
        image: Image,
        *,
        acquisition_id: str | None = None,
        method: str | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> str:
        """Keep an image as a DICOM series; its Series Instance UID (see `Deposit.add_image`)."""
        with self.deposit() as deposit:
            return deposit.add_image(image, acquisition_id=acquisition_id, method=method, parameters=parameters)

    def acquisition(self, acquisition_id: str) -> Acquisition | None:
        """A stored signal, read again."""
        file = self.archive.acquisition_file(acquisition_id)
        return None if file is None else container.read(file)

    def import_dicom(self, folder: Path) -> int:
        """Store the DICOM files of a folder and those below it, leaving out other files; how many instances."""
        if not folder.is_dir():
            raise InvalidInputError("is not a folder", file=folder)
        count = 0
        with self.deposit() as deposit:
            for file in sorted(path for path in folder.rglob("*") if path.is_file()):
                if is_dicom(file):
                    try:
                        deposit.add_dicom(file)
                    except StoreRefusedError as error:
                        raise InvalidInputError(str(error), file=file) from error
                    count += 1
        return count


def _load_modalities() -> None:
    try:
        all_modalities()
    except Exception as error:  # noqa: BLE001 (whoever asks for a modality gets the error)
        log_without_values(error)


def is_dicom(file: Path) -> bool:
    """Whether a file begins as DICOM PS3.10 says."""
    with file.open("rb") as opened:
        return opened.read(132)[128:] == b"DICM"


def described(image: Image, raw: Acquisition, method: Method, values: Mapping[str, Any]) -> Image:
    """The image, described by its signal, the method, and the parameters that differ from the method's defaults.

    DICOM's series description has 64 characters: the signal's description is shortened first.
    """
    defaults = {parameter.name: parameter.default for parameter in method.parameters}
    chosen = [f"{name}={_short(value)}" for name, value in values.items() if value != defaults.get(name)]
    made_by = _shortened(f"{method.name} ({', '.join(chosen)})" if chosen else method.name, _LO_LENGTH)
    signal = _shortened(raw.description, _LO_LENGTH - len(made_by) - 1)
    return replace(image, description=f"{signal} {made_by}".strip())


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else text[: max(0, length - 1)] + "…" * (length > 0)


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
