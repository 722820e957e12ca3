"""The demonstration patient: one head scanned by CT, MR and PET, all in one frame of reference."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pellucid.acquisition import Acquisition
from pellucid.errors import CancelledError, InvalidInputError
from pellucid.image import Image
from pellucid.modality import modality, reconstruct
from pellucid.progress import Progress, no_progress, part
from pellucid.study import StudyContext, new_uid

if TYPE_CHECKING:
    from pellucid.anatomy import Anatomy
    from pellucid.server import Job, Platform, Settings

ProgressBar = Callable[[str], AbstractContextManager[Progress]]
_FILE = "demonstration.json"


@dataclass(frozen=True)
class Examination:
    """One scan of the demonstration.

    `label` becomes the series description; `minute`: start after the first scan; `share` of the whole time.
    """

    modality: str
    protocol: str
    label: str
    minute: int
    share: float


EXAMINATIONS = (
    Examination("xray", "head", "CT head", 0, 0.4),
    Examination("mr", "t1_gre", "MR T1", 40, 0.1),
    Examination("mr", "t2_se", "MR T2", 46, 0.1),
    Examination("mr", "flair", "MR FLAIR", 53, 0.1),
    Examination("nuclear", "brain_fdg", "PET FDG", 90, 0.3),
)


def start_with_demonstration(settings: Settings, bar: ProgressBar) -> None:
    """Serve until Ctrl-C; scans of the demonstration patient that are not there yet are made meanwhile.

    `bar(title)`: a context that shows the progress it is given.
    """
    from pellucid.server import Platform, serve

    platform = Platform.open(settings)

    def ready(address: str) -> None:
        sys.stderr.write(f"Pellucid is ready: {address}\n")
        if missing(platform):
            job = platform.jobs.submit(
                "demo", "Demonstration patient", lambda progress: demonstrate(platform, progress)
            )
            threading.Thread(target=_show, args=(platform, job, bar), daemon=True).start()

    serve(settings, platform=platform, ready=ready)


@dataclass(frozen=True)
class Visit:
    """When the patient was here, and the identifiers of that; a DICOM UID must not mean two things at two sites."""

    study_instance_uid: str
    frame_of_reference_uid: str
    study_date: str
    study_time: str


def visit(platform: Platform) -> Visit:
    """The patient's visit to this installation: made at the first call and remembered in the data folder.

    Raises `InvalidInputError` where what was remembered cannot be read.
    """
    file = platform.archive.folder / _FILE
    now = datetime.now().astimezone()
    new = Visit(new_uid(), new_uid(), f"{now:%Y%m%d}", f"{now:%H%M%S}")
    try:
        if not file.exists():
            partial = file.with_suffix(".partial")
            partial.write_text(json.dumps(asdict(new)))
            partial.replace(file)
        return Visit(**json.loads(file.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise InvalidInputError(
            f"does not say which study is the demonstration ({error}); without the file a new one is made", file=file
        ) from error


def missing(platform: Platform) -> list[Examination]:
    """The examinations whose signal and image are not in the archive."""
    study_uid = visit(platform).study_instance_uid
    there = {
        (record.modality, record.description)
        for record in platform.archive.acquisitions()
        if record.study_instance_uid == study_uid and record.series_instance_uids
    }
    return [item for item in EXAMINATIONS if (item.modality, item.label) not in there]


def demonstrate(platform: Platform, progress: Progress = no_progress) -> dict[str, list[str]]:
    """Make the missing examinations, each stored as soon as it is reconstructed; the identifiers of what was made."""
    from pellucid.anatomy import brain
    from pellucid.server import Made

    progress(0.0, "Preparing the demonstration patient")
    patient = brain()
    study = _study(patient.study, visit(platform))
    made = Made()
    wanted = missing(platform)
    done, whole = 0.0, sum(item.share for item in wanted) or 1.0
    for item in wanted:
        step = part(progress, done / whole, (done + item.share) / whole)
        raw, image = examine(item, replace(patient, study=study), platform, step)
        with platform.deposit() as deposit:
            acquisition_id = deposit.add_acquisition(raw)
            deposit.add_image(image, acquisition_id=acquisition_id)
        made.study_instance_uids = deposit.made.study_instance_uids
        made.series_instance_uids += deposit.made.series_instance_uids
        made.acquisition_ids += deposit.made.acquisition_ids
        done += item.share
    return made.to_json()


def examine(
    item: Examination, patient: Anatomy, platform: Platform, progress: Progress = no_progress
) -> tuple[Acquisition, Image]:
    """Signal and image of one examination; PET takes its attenuation from the CT series."""
    scanner, study = modality(item.modality), patient.study
    start = _start(study, item.minute)
    at_start = replace(study, study_date=f"{start:%Y%m%d}", study_time=f"{start:%H%M%S}")
    scanning = _labelled(part(progress, 0.0, 0.5), item.label)
    raw = scanner.scan(patient, item.protocol, seed=1, study=at_start, progress=scanning)
    when = {
        f"{level}{which}": f"{start:{pattern}}"
        for level in ("Series", "Acquisition")
        for which, pattern in (("Date", "%Y%m%d"), ("Time", "%H%M%S"))
    }
    raw = replace(raw, study=study, description=item.label, attributes={**raw.attributes, **when})
    if item.modality == "nuclear":
        raw = _with_attenuation_of_ct(raw, study.study_instance_uid, platform)
    image = reconstruct(raw, progress=_labelled(part(progress, 0.5, 1.0), item.label))
    return raw, replace(image, description=item.label)


def _labelled(progress: Progress, label: str) -> Progress:
    def report(fraction: float, message: str = "", preview: object = None) -> None:
        progress(fraction, f"{label}: {message}" if message else label, preview)

    return report


def _study(patient: StudyContext, when: Visit) -> StudyContext:
    return replace(
        patient,
        **asdict(when),
        study_id="DEMO",
        study_description="Head CT, MR and FDG PET of a digital patient",
    )


def _start(study: StudyContext, minute: int) -> datetime:
    return datetime.strptime(study.study_date + study.study_time, "%Y%m%d%H%M%S") + timedelta(minutes=minute)


def _with_attenuation_of_ct(raw: Acquisition, study_uid: str, platform: Platform) -> Acquisition:
    """The PET signal with the attenuation map that the CT series in the archive gives."""
    from pellucid.archive import Query
    from pellucid.dicom import read_series
    from pellucid.modalities.nuclear import Sinogram, attenuation_map_from_ct

    wanted = Query("series", {"StudyInstanceUID": study_uid, "SeriesDescription": EXAMINATIONS[0].label})
    found = [match.attributes["0020000E"]["Value"][0] for match in platform.archive.find(wanted)]
    if not found or not isinstance(raw, Sinogram):
        raise CancelledError("the demonstration's CT was deleted meanwhile")
    objects = platform.archive.objects
    files = [objects.path(record.object_sha256) for record in platform.archive.instances(study_uid, found[0])]
    return raw.with_attenuation_map(attenuation_map_from_ct(read_series(files)[0]))


def _show(platform: Platform, job: Job, bar: ProgressBar) -> None:
    """A progress bar of the job on standard error."""
    try:
        with bar(job.title) as progress:
            while not job.ended:
                threading.Event().wait(0.5)
                job = platform.jobs.get(job.id) or job
                progress(job.fraction, job.message or job.title)
    finally:
        sys.stderr.write(f"{job.title}: {job.error or job.state}\n")
