"""Files sent to another application, where they are not there yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.filereader import read_file_meta_info

from pellucid.archive.dicom_json import UNREADABLE
from pellucid.archive.metadata import quiet_pydicom
from pellucid.dimse.clients import find
from pellucid.dimse.content import Content
from pellucid.dimse.data_set import text
from pellucid.dimse.problems import AssociationEndedError
from pellucid.dimse.requestor import Peer, associated
from pellucid.dimse.sending import contexts_needed, is_warning, send
from pellucid.dimse.service import SUCCESS
from pellucid.errors import InvalidInputError
from pellucid.progress import Progress, no_progress

_INSTANCE = "00080018"
_PLACE = ("StudyInstanceUID", "SeriesInstanceUID")


@dataclass(frozen=True, kw_only=True)
class File:
    """A DICOM file that can be sent."""

    path: Path
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str


@dataclass(kw_only=True)
class Sent:
    """What became of the files; `failed`: file → why; `ignored`: files that are not DICOM."""

    sent: list[File] = field(default_factory=list)
    already_there: int = 0
    failed: dict[Path, str] = field(default_factory=dict)
    ignored: int = 0


class StateFile:
    """Remembers, line by line, what a peer has taken, so that sending can go on after it was interrupted."""

    def __init__(self, path: Path, peer: Peer) -> None:
        self._path = path
        self._mark = f"{peer.title}@{peer.host}:{peer.port} "
        try:
            lines = path.read_text("ascii").splitlines() if path.exists() else []
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInputError(f"cannot be read ({type(error).__name__})", file=path) from error
        self.taken = {line.removeprefix(self._mark) for line in lines if line.startswith(self._mark)}

    def note(self, sop_instance_uid: str) -> None:
        """Note one instance that was taken."""
        with self._path.open("a", encoding="ascii") as file:
            file.write(f"{self._mark}{sop_instance_uid}\n")


def dicom_files(paths: Iterable[Path], outcome: Sent) -> Iterator[File]:
    """The DICOM files among these, and in folders among these; others are counted as ignored."""
    for path in paths:
        if not path.exists():
            raise InvalidInputError("does not exist", file=path)
        inside = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for file in inside:
            found = _file(file)
            if found is None:
                outcome.ignored += 1
            else:
                yield found


def send_files(
    peer: Peer,
    paths: Sequence[Path],
    *,
    state: StateFile | None = None,
    ask_first: bool = False,
    progress: Progress = no_progress,
) -> Sent:
    """Send DICOM files; those that `state` says were taken, or that the peer says it has (`ask_first`), are left out.

    Raises `NetworkError` where the peer cannot be reached or breaks off; what was sent until then is in `state`.
    """
    outcome = Sent()
    files = list(dicom_files(paths, outcome))
    taken = set(state.taken) if state else set()
    if ask_first:
        taken |= _known_at(peer, [file for file in files if file.sop_instance_uid not in taken])
    wanted = [file for file in files if file.sop_instance_uid not in taken]
    outcome.already_there = len(files) - len(wanted)
    for group in contexts_needed(wanted) if wanted else []:
        classes = {context.abstract_syntax for context in group}
        with associated(peer, group) as association:
            for file in wanted:
                if file.sop_class_uid not in classes:
                    continue
                status, comment = send(association, file, Content.of_file(file.path))
                if status == SUCCESS or is_warning(status):
                    outcome.sent.append(file)
                    if state is not None:
                        state.note(file.sop_instance_uid)
                else:
                    outcome.failed[file.path] = f"status {status:04X} {comment}".strip()
                done = len(outcome.sent) + len(outcome.failed)
                progress(done / len(wanted), f"sending {done} of {len(wanted)}")
    return outcome


def _known_at(peer: Peer, files: Sequence[File]) -> set[str]:
    """The instances of these files that the peer has, asked for series by series."""
    series: dict[tuple[str, str], list[str]] = {}
    for file in files:
        place = _place(file.path)
        if place is not None:
            series.setdefault(place, []).append(file.sop_instance_uid)
    known: set[str] = set()
    for study_uid, series_uid in series:
        keys = {"StudyInstanceUID": study_uid, "SeriesInstanceUID": series_uid}
        try:
            known |= {text(found, _INSTANCE) for found in find(peer, "IMAGE", keys, returned=("SOPInstanceUID",))}
        except AssociationEndedError:
            break
    return known


def _place(path: Path) -> tuple[str, str] | None:
    import pydicom

    with quiet_pydicom():
        dataset = pydicom.dcmread(
            path, specific_tags=["StudyInstanceUID", "SeriesInstanceUID"], stop_before_pixels=True
        )
    study, series = dataset.get("StudyInstanceUID"), dataset.get("SeriesInstanceUID")
    return (str(study), str(series)) if study and series else None


def _file(path: Path) -> File | None:
    try:
        with quiet_pydicom():
            meta = read_file_meta_info(path)
        return File(
            path=path,
            sop_class_uid=str(meta.MediaStorageSOPClassUID),
            sop_instance_uid=str(meta.MediaStorageSOPInstanceUID),
            transfer_syntax_uid=str(meta.TransferSyntaxUID),
        )
    except (*UNREADABLE, OSError):
        return None
