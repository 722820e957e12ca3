"""Captures that the archive keeps: of whom they are, by worklist or study, and the job that makes them."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pellucid.access import AuditEvent, Caller
from pellucid.archive import Archive, Query, Sender, Stored, StoreRefusedError, View
from pellucid.capture import CaptureContext, CaptureSettings, capture_apart, modality_of
from pellucid.dimse import performed_steps
from pellucid.dimse.data_set import Attributes, text
from pellucid.dimse.worklist import STATUS, STEP, STEP_ID, Worklist
from pellucid.errors import InvalidInputError
from pellucid.progress import Progress, part
from pellucid.server.job import Job
from pellucid.server.job_access import owner_of
from pellucid.server.platform import Platform
from pellucid.server.settings import Settings

_log = logging.getLogger("pellucid.server")
_ACCESSION, _STUDY = "00080050", "0020000D"
_SERIES_NUMBER = "00200011"


def worklist_item(worklist: Worklist, key: str) -> Attributes:
    """The item that has this id, accession number, step id or Study Instance UID, and has not ended.

    Raises `InvalidInputError` where there is none, or several.
    """
    found = [item for item_id, item in worklist.all(ended=False) if key and key in (item_id, *_keys(item))]
    if len(found) != 1:
        raise InvalidInputError(
            f"{key!r} is on {len(found) or 'no'} open item{'s' * (len(found) > 1)}; expected its accession number, "
            "step id or study",
            field="worklist",
        )
    return found[0]


@contextmanager
def reported(
    archive: Archive, settings: Settings, item: Attributes | None, capture: CaptureSettings
) -> Iterator[Callable[[Stored], None]]:
    """The step of a worklist item is performed within the block, which the partner is told; call with what is made.

    The block ends where what was made is stored: an error within says that nothing was.
    """
    if item is None or not settings.procedure_steps_to:
        yield lambda _stored: None
        return
    made: list[Stored] = []
    title = settings.aet.partition(",")[0].strip()
    modality = modality_of(capture)
    step = performed_steps.begin(archive, settings.procedure_steps_to, item, title=title, modality=modality)
    try:
        yield made.append
    except BaseException:
        _tell_end(archive, step, "DISCONTINUED", [])
        raise
    _tell_end(archive, step, "COMPLETED", made)


def _tell_end(
    archive: Archive, step: performed_steps.PerformedStep, status: performed_steps.Final, made: list[Stored]
) -> None:
    """Tell how a step ended. Where that fails, what was made is stored all the same: the capture has not failed."""
    try:
        performed_steps.end(archive, step, status, made)
    except Exception as error:  # noqa: BLE001 (the database may be gone for a while)
        _log.error(
            "procedure step %s is %s, which cannot be told to %s: %s",
            step.uid,
            status,
            step.partner,
            type(error).__name__,
        )


def _keys(item: Attributes) -> tuple[str, ...]:
    step = (item.get(STEP, {}).get("Value") or [{}])[0]
    return text(item, _ACCESSION), text(item, _STUDY), text(step, STEP_ID)


def study_context(view: View, study_uid: str) -> CaptureContext:
    """Of a study that is there; raises `InvalidInputError` where the view has none."""
    found = view.find(Query("study", {"StudyInstanceUID": study_uid}))
    if not found or not study_uid:
        raise InvalidInputError("is not in the archive", field="study")
    return CaptureContext.of_study(found[0].attributes)


def next_series_number(view: View, study_uid: str) -> int:
    """One more than any series of the study has."""
    series = view.find(Query("series", {"StudyInstanceUID": study_uid}))
    numbers = [int(value) for match in series for value in match.attributes.get(_SERIES_NUMBER, {}).get("Value", [])]
    return max(numbers, default=0) + 1


def submit(
    platform: Platform,
    file: Path,
    context: CaptureContext,
    settings: CaptureSettings,
    caller: Caller,
    item: Attributes | None = None,
) -> Job:
    """Queue the conversion of a received video; its folder is removed at the end. `item`: of the worklist."""
    number = next_series_number(platform.archive, context.study_instance_uid)
    chosen = replace(settings, series_number=number)
    return platform.jobs.submit(
        "capture",
        f"Capture as {_TITLES[settings.kind]}",
        lambda progress: _convert(platform, file, context, chosen, caller, item, progress),
        cleanup=lambda: shutil.rmtree(file.parent, ignore_errors=True),
        owner=owner_of(caller),
        studies=(context.study_instance_uid,),
    )


_TITLES = {"sc": "secondary capture", "us": "ultrasound", "video": "video"}


def _convert(
    platform: Platform,
    file: Path,
    context: CaptureContext,
    settings: CaptureSettings,
    caller: Caller,
    item: Attributes | None,
    progress: Progress,
) -> dict[str, list[str]]:
    archive = platform.archive
    with (
        _said_to_sender(file),
        TemporaryDirectory(prefix="capture-", dir=archive.incoming) as folder,
        reported(archive, platform.settings, item, settings) as report,
    ):
        files = capture_apart(file, context, settings, Path(folder), progress=part(progress, 0.0, 0.95))
        with platform.deposit(Sender(title=caller.name, visible=caller.visible)) as deposit:
            for made in files:
                report(deposit.add_dicom(made))
            progress(1.0, "Stored")
        made_now = deposit.made.to_json()
    studies = dict.fromkeys(made_now["study_instance_uids"], context.patient_id)
    platform.keeper.audit(AuditEvent(event="Import", action="C", caller=caller, studies=studies))
    return made_now


@contextmanager
def _said_to_sender(file: Path) -> Iterator[None]:
    """Errors without the temporary file's name, which means nothing to the sender."""
    try:
        yield
    except StoreRefusedError as error:
        raise InvalidInputError(str(error), field="capture") from error
    except InvalidInputError as error:
        raise InvalidInputError(str(error).replace(str(file), "the recording")) from error


def open_items(worklist: Worklist, limit: int) -> list[dict[str, Any]]:
    """What is still to be done, as a list of choices."""
    return [_choice(item_id, item) for item_id, item in worklist.all(ended=False)[:limit]]


def _choice(item_id: str, item: Attributes) -> dict[str, Any]:
    step = (item.get(STEP, {}).get("Value") or [{}])[0]
    return {
        "id": item_id,
        "patient_name": text(item, "00100010"),
        "patient_id": text(item, "00100020"),
        "accession_number": text(item, _ACCESSION),
        "description": text(step, "00400007") or text(item, "00321060"),
        "modality": text(step, "00080060"),
        "date": text(step, "00400002"),
        "time": text(step, "00400003"),
        "status": text(step, STATUS),
    }
