"""`pellucid capture`: a video file, device or stream into the archive, or into a folder."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from pellucid.cli.dimse_output import Data, archive_in
from pellucid.errors import InvalidInputError

if TYPE_CHECKING:
    from pellucid.archive import Archive, Stored
    from pellucid.capture import CaptureContext, CaptureSettings
    from pellucid.dimse.data_set import Attributes
    from pellucid.server import Settings

_PATIENT = ("patient_id", "patient_name", "patient_birth_date", "patient_sex", "accession_number", "study_description")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(capture)


def capture(
    source: Annotated[
        str, Argument(help="A video or picture file, /dev/video0, or rtsp://… or http://….", show_default=False)
    ],
    kind: Annotated[str, Option("--as", help="sc, us or video.")] = "sc",
    view: Annotated[str, Option(help="Of video: photographic, endoscopic or microscopic.")] = "photographic",
    patient_id: Annotated[str, Option(help="Patient ID.")] = "",
    patient_name: Annotated[str, Option(help="Family^Given.")] = "",
    patient_birth_date: Annotated[str, Option(help="YYYYMMDD.")] = "",
    patient_sex: Annotated[str, Option(help="M, F or O.")] = "",
    accession_number: Annotated[str, Option(help="Accession number.")] = "",
    study_description: Annotated[str, Option(help="Description of the new study.")] = "",
    worklist: Annotated[
        str, Option(help="Take patient and study from the worklist: accession number, step id or study.")
    ] = "",
    study: Annotated[str, Option(help="Add to this study of the archive: its Study Instance UID.")] = "",
    description: Annotated[str, Option(help="Series description.")] = "",
    body_part: Annotated[str, Option(help="Such as colon, skin, liver.")] = "",
    start: Annotated[float, Option(help="Keep from here on [s].")] = 0.0,
    stop: Annotated[float | None, Option(help="Keep until here [s].")] = None,
    every: Annotated[int, Option(help="Keep one of so many frames.")] = 1,
    still: Annotated[list[float] | None, Option(help="A single picture at this time [s]; may be repeated.")] = None,
    crop: Annotated[str, Option(help="WIDTHxHEIGHT+X+Y [pixel].")] = "",
    region: Annotated[
        list[str] | None, Option(help="Of us: calibrated, WIDTHxHEIGHT+X+Y@MM (size of a pixel); may be repeated.")
    ] = None,
    deinterlace: Annotated[str, Option(help="auto, always or never.")] = "auto",
    output: Annotated[Path | None, Option("--output", "-o", help="Write files to this folder instead.")] = None,
    data: Data = None,
) -> None:
    """Make a video into DICOM: Secondary Capture, Ultrasound or video, kept in the archive.

    A device or stream is captured until --stop or Ctrl-C; what came until then is kept.
    """
    from pellucid.capture import CaptureSettings, Crop, Region

    settings = CaptureSettings(
        kind=kind,  # type: ignore[arg-type]  # it is checked there
        view=view,  # type: ignore[arg-type]
        deinterlace=deinterlace,  # type: ignore[arg-type]
        start_s=start,
        stop_s=stop,
        every=every,
        stills_s=tuple(still or ()),
        crop=Crop.parse(crop) if crop else None,
        regions=tuple(map(Region.parse, region or ())),
        series_description=description,
        body_part=body_part,
    )
    given = dict(
        zip(
            _PATIENT,
            (patient_id, patient_name, patient_birth_date, patient_sex, accession_number, study_description),
            strict=True,
        )
    )
    if output is not None:
        if worklist or study:
            raise InvalidInputError("are of an archive; files of a folder take --patient-id …", field="worklist, study")
        output.mkdir(parents=True, exist_ok=True)
        files = _captured(source, _given(given), settings, output)
        typer.echo(f"wrote {len(files)} file{'s' * (len(files) != 1)} to {output}")
        return
    with archive_in(data) as archive:
        item = _item(archive, given, worklist, study)
        context = _context(archive, given, item, study)
        number = _store(archive, source, context, settings, item)
        typer.echo(f"stored {number} instance{'s' * (number != 1)} in study {context.study_instance_uid}")


def _given(values: dict[str, str]) -> CaptureContext:
    from pellucid.capture import CaptureContext

    return CaptureContext(**values)  # type: ignore[arg-type]  # all are texts


def _item(archive: Archive, given: dict[str, str], worklist: str, study: str) -> Attributes | None:
    """The worklist item, where one is named; patient, worklist and study must not be given together."""
    from pellucid.dimse.worklist import Worklist
    from pellucid.server import captures

    if bool(worklist) + bool(study) + any(given.values()) > 1:
        raise InvalidInputError("are given together; expected one of them", field="patient, worklist, study")
    return captures.worklist_item(Worklist(archive), worklist) if worklist else None


def _context(archive: Archive, given: dict[str, str], item: Attributes | None, study: str) -> CaptureContext:
    from pellucid.capture import CaptureContext
    from pellucid.server import captures

    if item is not None:
        return CaptureContext.of_worklist_item(item)
    return captures.study_context(archive, study) if study else _given(given)


@contextmanager
def _reported(
    archive: Archive, capture: CaptureSettings, item: Attributes | None
) -> Iterator[Callable[[Stored], None]]:
    """Report the step as `captures.reported` does, at once where the partner can be reached."""
    from pellucid.server import Settings, captures

    if item is None or not (settings := Settings()).procedure_steps_to:
        yield lambda _stored: None
        return
    with ExitStack() as at_the_end:
        at_the_end.callback(_say_what_waits, archive, f"ae:{settings.procedure_steps_to}")
        deliver = _delivery(archive, settings)
        at_the_end.callback(deliver)
        with captures.reported(archive, settings, item, capture) as report:
            beginning = threading.Thread(target=deliver, daemon=True)
            beginning.start()  # a capture does not wait for the partner
            at_the_end.callback(beginning.join)
            yield report


def _delivery(archive: Archive, settings: Settings) -> Callable[[], None]:
    """Call to deliver what waits for the partner that is told of procedure steps."""
    from pellucid.dimse.delivering import Deliverer
    from pellucid.server.dimse import dimse_settings

    deliverer = Deliverer(dimse_settings(settings, settings.reached_at(settings.port)).doors(archive))
    return lambda: deliverer.deliver_now(f"ae:{settings.procedure_steps_to}")


def _say_what_waits(archive: Archive, destination: str) -> None:
    from pellucid.dimse.deliveries import Deliveries

    for left in Deliveries(archive).all():
        if left.kind in ("begin_step", "end_step") and left.destination == destination and left.error:
            typer.echo(f"the procedure step waits to be reported to {destination}: {left.error}", err=True)


def _store(
    archive: Archive, source: str, context: CaptureContext, settings: CaptureSettings, item: Attributes | None
) -> int:
    """How many instances were stored."""
    from pellucid.server import captures

    chosen = replace(settings, series_number=captures.next_series_number(archive, context.study_instance_uid))
    with (
        TemporaryDirectory(prefix="capture-", dir=archive.incoming) as folder,
        _reported(archive, settings, item) as report,
    ):
        files = _captured(source, context, chosen, Path(folder))
        with archive.batch() as batch:
            for file in files:
                report(batch.store(file))
    return len(files)


def _captured(source: str, context: CaptureContext, settings: CaptureSettings, folder: Path) -> list[Path]:
    from pellucid.capture import capture as make
    from pellucid.cli.display import bar

    with bar("capture") as progress, _first_interrupt_stops() as stopped:
        return make(source, context, settings, folder, stop=stopped.is_set, progress=progress)


@contextmanager
def _first_interrupt_stops() -> Iterator[threading.Event]:
    """The first Ctrl-C ends the capture, the second one the program."""
    stopped = threading.Event()
    before = signal.getsignal(signal.SIGINT)

    def stop(_number: int, _frame: Any) -> None:
        stopped.set()
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, stop)
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGINT, before)
