"""Instances fetched from another application, by C-GET or by C-MOVE to this one, where they are not here yet."""

from __future__ import annotations

import shutil
import socket
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy.orm import Session

from pellucid.access import Permission
from pellucid.archive import Archive, Stored, StoreRefusedError
from pellucid.archive.levels import tag_of
from pellucid.archive.schema import InstanceRow
from pellucid.dimse.association import Association
from pellucid.dimse.clients import find
from pellucid.dimse.command_set import Operation
from pellucid.dimse.data_set import Attributes, encode, text
from pellucid.dimse.listener import Listener, listening_socket
from pellucid.dimse.messages import Context, Message
from pellucid.dimse.partners import ApplicationEntity
from pellucid.dimse.problems import NetworkError
from pellucid.dimse.query_keys import QUERY_LEVEL
from pellucid.dimse.requestor import MOST_CONTEXTS, Peer, Wanted, associated, context_for
from pellucid.dimse.sending_files import Sent, dicom_files
from pellucid.dimse.service import PENDING, SUCCESS, Doors
from pellucid.dimse.services import (
    MESSAGE_SYNTAXES,
    NATIVE_SYNTAXES,
    PATIENT_ROOT,
    REFERENCED_SYNTAXES,
    STORAGE_SYNTAXES,
    STUDY_ROOT,
    InformationModel,
)
from pellucid.errors import InvalidInputError
from pellucid.progress import Progress, no_progress

_PATIENT, _STUDY, _SERIES, _INSTANCE, _CLASS = "00100020", "0020000D", "0020000E", "00080018", "00080016"
_AT_ONCE = 100
_AVAILABLE_SYNTAX = "00083002"
_UNIQUE = {
    "PATIENT": "PatientID",
    "STUDY": "StudyInstanceUID",
    "SERIES": "SeriesInstanceUID",
    "IMAGE": "SOPInstanceUID",
}
_OF_A_PATIENT = frozenset({"PatientID", "PatientName", "IssuerOfPatientID", "PatientBirthDate", "PatientSex"})
_OF_A_SERIES = frozenset({"SeriesInstanceUID", "SeriesNumber", "Modality", "SeriesDescription"})
_OF_AN_IMAGE = ("SOPInstanceUID", "SOPClassUID", "AvailableTransferSyntaxUID")


@dataclass(frozen=True, kw_only=True)
class Remote:
    """An instance at the peer; `syntaxes`: in which it can be had, empty where the peer does not say."""

    patient: str
    study: str
    series: str
    instance: str
    sop_class: str
    syntaxes: frozenset[str] = frozenset()


@dataclass(kw_only=True)
class Fetched:
    """What became of the instances; `failed`: as many were not sent, or could not be kept."""

    fetched: int = 0
    already_here: int = 0
    failed: int = 0
    problems: list[str] = field(default_factory=list)


def remote_instances(peer: Peer, keys: Mapping[str, str], model: InformationModel = STUDY_ROOT) -> list[Remote]:
    """The instances of the studies, series or instances that match `keys`, found level by level.

    Raises `InvalidInputError` where the model begins with patients, and no key is of a patient.
    """
    levels = [_Level(name, _keys_at(name, keys, model)) for name in model.levels]
    if model is PATIENT_ROOT and not levels[0].keys:
        raise InvalidInputError(f"are none of a patient ({', '.join(sorted(_OF_A_PATIENT))})", field="keys")
    return [
        Remote(
            patient=place.get("PatientID", ""),
            study=place["StudyInstanceUID"],
            series=place["SeriesInstanceUID"],
            instance=place["SOPInstanceUID"],
            sop_class=text(found, _CLASS),
            syntaxes=frozenset(filter(None, text(found, _AVAILABLE_SYNTAX).split("\\"))),
        )
        for place, found in _descend(peer, model, levels, {})
    ]


@dataclass(frozen=True)
class _Level:
    """A level of a query, and the keys that are matched there."""

    name: str
    keys: Mapping[str, str]


def _keys_at(level: str, keys: Mapping[str, str], model: InformationModel) -> dict[str, str]:
    """Those of the keys that are matched at a level; what no other level has is of a study."""
    return {name: value for name, value in keys.items() if _level_of(name, model) == level}


def _level_of(keyword: str, model: InformationModel) -> str:
    if keyword in _OF_A_PATIENT and model is PATIENT_ROOT:
        return "PATIENT"
    if keyword in _OF_A_SERIES:
        return "SERIES"
    return "IMAGE" if keyword == "SOPInstanceUID" else "STUDY"


def _descend(
    peer: Peer, model: InformationModel, levels: Sequence[_Level], place: Mapping[str, str]
) -> Iterator[tuple[Mapping[str, str], Attributes]]:
    """What is found at the lowest level, each with the unique keys that lead to it (PS3.4 section C.4.1.2.1)."""
    level, *lower = levels
    unique = _UNIQUE[level.name]
    returned = (unique,) if lower else _OF_AN_IMAGE
    for found in find(peer, level.name, {**place, **level.keys}, model=model, returned=returned):
        here = {**place, unique: text(found, tag_of(unique))}
        if lower:
            yield from _descend(peer, model, lower, here)
        else:
            yield here, found


def fetch(
    peer: Peer,
    keys: Mapping[str, str],
    target: Folder | Archive,
    *,
    move_port: int | None = None,
    model: InformationModel = STUDY_ROOT,
    progress: Progress = no_progress,
) -> Fetched:
    """Fetch what matches `keys` into a folder or an archive; what is there already is not fetched again.

    By C-GET; with `move_port` by C-MOVE to the calling title, which the peer must know at this port. Raises
    `NetworkError` where the peer cannot be reached or breaks off.
    """
    remote = remote_instances(peer, keys, model)
    here = target.instances() if isinstance(target, Folder) else _in_archive(target, remote)
    missing = [item for item in remote if item.instance not in here]
    outcome = Fetched(already_here=len(remote) - len(missing))

    def tell(count: int) -> None:
        progress(min(1.0, count / max(1, len(missing))), f"fetched {count} of {len(missing)}")

    if missing and move_port is None:
        _get(peer, model, missing, target, outcome, tell)
    elif missing and move_port is not None:
        _move(peer, model, missing, target, outcome, tell, move_port)
    return outcome


class Folder:
    """A folder that received files are written into; their names say nothing, their content all."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)

    def instances(self) -> set[str]:
        """SOP Instance UIDs of what is there."""
        return {file.sop_instance_uid for file in dicom_files([self.path], Sent())}

    def store(self, source: bytes | Path) -> None:
        """Write one file, complete or not at all."""
        name = uuid.uuid4().hex
        partial = self.path / f".{name}.partial"
        if isinstance(source, Path):
            shutil.copyfile(source, partial)
        else:
            partial.write_bytes(source)
        partial.replace(self.path / f"{name}.dcm")


def _in_archive(archive: Archive, remote: Iterable[Remote]) -> set[str]:
    studies = {item.study for item in remote}
    return {record.sop_instance_uid for study in studies for record in archive.instances(study)}


def _get(
    peer: Peer,
    model: InformationModel,
    missing: Sequence[Remote],
    target: Folder | Archive,
    outcome: Fetched,
    tell: Callable[[int], None],
) -> None:
    with TemporaryDirectory(prefix="pellucid-") as folder:
        for contexts, items in _associations_for(missing, outcome):
            wanted = [Wanted(abstract_syntax=model.get, transfer_syntaxes=MESSAGE_SYNTAXES), *contexts]
            with associated(peer, wanted, folder=Path(folder)) as association:
                context = context_for(association, model.get)
                for identifier in _identifiers(items):
                    _get_some(association, context, identifier, target, outcome, tell)


def _get_some(
    association: Association,
    context: Context,
    identifier: Mapping[str, object],
    target: Folder | Archive,
    outcome: Fetched,
    tell: Callable[[int], None],
) -> None:
    number = association.next_message_id()
    command = {
        "CommandField": Operation.C_GET,
        "MessageID": number,
        "AffectedSOPClassUID": context.abstract_syntax,
        "Priority": 0,
    }
    association.send(context, command, encode(identifier, context.transfer_syntax))
    while True:
        message = association.receive(association.limits.message_s)
        if message.is_response:
            status = message.command.get("Status", SUCCESS)
            if status == PENDING:
                continue
            outcome.failed += message.command.get("NumberOfFailedSuboperations", 0)
            if status != SUCCESS:
                outcome.problems.append(f"C-GET ended with status {status:04X}")
            return
        association.send(message.context, _keep(message, target, outcome))
        tell(outcome.fetched)


def _keep(message: Message, target: Folder | Archive, outcome: Fetched) -> dict[str, object]:
    try:
        if message.too_large:
            return message.answer(0xA700)
        target.store(message.data)
    except StoreRefusedError as error:
        outcome.problems.append(str(error))
        return message.answer(int(error.reason))
    except OSError as error:
        outcome.problems.append(f"cannot be written ({error.strerror or error})")
        return message.answer(0xA700)
    finally:
        message.discard()
    outcome.fetched += 1
    return message.answer(SUCCESS)


def _move(
    peer: Peer,
    model: InformationModel,
    missing: Sequence[Remote],
    target: Folder | Archive,
    outcome: Fetched,
    tell: Callable[[int], None],
    port: int,
) -> None:
    with TemporaryDirectory(prefix="pellucid-") as place, Archive(Path(place)) as receiving:

        def arrived(session: Session, stored: Sequence[Stored]) -> None:
            for instance in stored:
                row = session.get_one(InstanceRow, instance.sop_instance_uid)
                target.store(receiving.objects.path(row.object_sha256))
                outcome.fetched += 1
                tell(outcome.fetched)

        receiving.on_store.append(arrived)
        doors = Doors(archive=receiving, titles=(peer.calling_title,), open_to_loopback=False, private_storage=True)
        addresses = {str(info[4][0]) for info in socket.getaddrinfo(peer.host, peer.port)}
        rule = ApplicationEntity(
            title="*", permissions=frozenset({Permission.STORE}), addresses=tuple(sorted(addresses))
        )
        doors.partners.put(rule)
        listener = Listener(doors, listening_socket("0.0.0.0", port)).start()  # noqa: S104 (only the peer is served)
        with closing(listener):
            _ask_to_move(peer, model, missing, outcome)


def _ask_to_move(peer: Peer, model: InformationModel, missing: Sequence[Remote], outcome: Fetched) -> None:
    wanted = [Wanted(abstract_syntax=model.move, transfer_syntaxes=MESSAGE_SYNTAXES)]
    with associated(peer, wanted) as association:
        context = context_for(association, model.move)
        for identifier in _identifiers(missing):
            number = association.next_message_id()
            command = {
                "CommandField": Operation.C_MOVE,
                "MessageID": number,
                "AffectedSOPClassUID": model.move,
                "MoveDestination": peer.calling_title,
                "Priority": 0,
            }
            association.send(context, command, encode(identifier, context.transfer_syntax))
            answer = association.response(number)
            while answer.command.get("Status") == PENDING:
                answer = association.response(number)
            outcome.failed += answer.command.get("NumberOfFailedSuboperations", 0)
            if status := answer.command.get("Status", SUCCESS):
                comment = answer.command.get("ErrorComment", "")
                outcome.problems.append(f"C-MOVE ended with status {status:04X} {comment}".strip())
                if not outcome.fetched and status & 0xF000 == 0xA000:
                    raise NetworkError(outcome.problems[-1])


def _associations_for(missing: Iterable[Remote], outcome: Fetched) -> Iterator[tuple[list[Wanted], list[Remote]]]:
    """What each association proposes, and the instances that it fetches: as many SOP classes as it has room for."""
    classes: dict[str, list[Remote]] = {}
    for item in missing:
        classes.setdefault(item.sop_class, []).append(item)
    if unnamed := classes.pop("", None):
        outcome.failed += len(unnamed)
        outcome.problems.append(f"the peer does not say the SOP class of {len(unnamed)} instances; try --move")
    room = MOST_CONTEXTS - 1
    wanted: list[Wanted] = []
    items: list[Remote] = []
    for sop_class, of_class in sorted(classes.items()):
        contexts = _storage(sop_class, of_class)[:room]
        if len(wanted) + len(contexts) > room:
            yield wanted, items
            wanted, items = [], []
        wanted, items = [*wanted, *contexts], [*items, *of_class]
    if items:
        yield wanted, items


def _storage(sop_class: str, items: Iterable[Remote]) -> list[Wanted]:
    """Each transfer syntax by itself, so that the peer can choose for each instance and need not convert.

    Those that the peer says it has, and any that there are where it does not say.
    """
    held: set[str] = set()
    for item in items:
        held |= item.syntaxes or STORAGE_SYNTAXES
    others = held.difference(NATIVE_SYNTAXES, REFERENCED_SYNTAXES)  # those objects would be without their pixels
    syntaxes = (*NATIVE_SYNTAXES, *sorted(others))
    return [Wanted(abstract_syntax=sop_class, transfer_syntaxes=(syntax,), as_scp=True) for syntax in syntaxes]


def _identifiers(items: Sequence[Remote]) -> Iterator[dict[str, object]]:
    """Retrievals at IMAGE level: series by series, so many instances at once."""
    series: dict[tuple[str, str, str], list[str]] = {}
    for item in items:
        series.setdefault((item.patient, item.study, item.series), []).append(item.instance)
    for (patient, study, series_uid), instances in series.items():
        patient_key = {_PATIENT: {"vr": "LO", "Value": [patient]}} if patient else {}
        for start in range(0, len(instances), _AT_ONCE):
            yield {
                QUERY_LEVEL: {"vr": "CS", "Value": ["IMAGE"]},
                **patient_key,
                _STUDY: {"vr": "UI", "Value": [study]},
                _SERIES: {"vr": "UI", "Value": [series_uid]},
                _INSTANCE: {"vr": "UI", "Value": instances[start : start + _AT_ONCE]},
            }
