"""What /api answers, as schemas: the OpenAPI description is made from them; every answer is checked against its own."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from pellucid.dicomweb.problems import MEANINGS
from pellucid.server.job import Kind, State

Fraction = Annotated[float, Field(ge=0, le=1)]


class _Answer(BaseModel):
    """No more and no less than what is declared: a field that is not would be left out of the description."""

    model_config = ConfigDict(extra="forbid")


class Problem(_Answer):
    """Every error: one line that says what was wrong."""

    detail: str


class ProblemDetails(_Answer):
    """Every error of the image services (RFC 9457)."""

    title: str
    status: int
    detail: str


class Health(_Answer):
    """The server answers."""

    status: str


class ReadinessCheck(_Answer):
    """One thing that the server needs, and how it stands."""

    name: str
    ok: bool
    detail: str


class Ready(_Answer):
    """The server can take work."""

    status: str
    checks: list[ReadinessCheck]


class ModalityName(_Answer):
    """A modality: its key in the programming interfaces, and its name for people."""

    key: str
    title: str


class Information(_Answer):
    """The program."""

    name: str
    version: str
    modalities: list[ModalityName]


class JobResult(_Answer):
    """What a job stored, in the order it came."""

    study_instance_uids: list[str] = []
    series_instance_uids: list[str] = []
    acquisition_ids: list[str] = []


class JobState(_Answer):
    """A job at one moment; `created` is UTC, ISO 8601."""

    id: str
    kind: Kind
    title: str
    state: State
    fraction: Fraction
    message: str
    error: str | None
    created: str
    result: JobResult | None


class JobStarted(_Answer):
    """The job that does what was asked."""

    job: JobState


class Jobs(_Answer):
    """Jobs, the newest first."""

    jobs: list[JobState]


class CaptureWorklistItem(_Answer):
    """A scheduled procedure step that has not ended; `date` YYYYMMDD, `time` HHMMSS."""

    id: str
    patient_name: str
    patient_id: str
    accession_number: str
    description: str
    modality: str
    date: str
    time: str
    status: str


class CaptureWorklist(_Answer):
    """What is scheduled, the earliest first."""

    items: list[CaptureWorklistItem]


class ListedAcquisition(_Answer):
    """A raw signal that is kept, and the series made from it."""

    id: str
    modality: str
    description: str
    patient_name: str
    study_instance_uid: str
    created: str
    series_instance_uids: list[str]


class Acquisitions(_Answer):
    """Raw signals, the newest first."""

    acquisitions: list[ListedAcquisition]


class ParameterDescription(_Answer):
    """A parameter of a method: what it is and which values it takes.

    `kind`: boolean, integer, number or string; `choices`: of a string, empty where any is taken; `optional`: null is
    taken; `step`: sensible for a slider.
    """

    name: str
    kind: str
    default: bool | int | float | str | None
    choices: list[str]
    optional: bool
    description: str
    unit: str
    minimum: float | None
    maximum: float | None
    step: float | None


class MethodDescription(_Answer):
    """A method that can be used on the signal."""

    name: str
    title: str
    source: str
    parameters: list[ParameterDescription]


class SignalViewDescription(_Answer):
    """A picture of the signal: a PNG file under `url`."""

    title: str
    row_axis: str
    column_axis: str
    url: str


class DetailedAcquisition(ListedAcquisition):
    """A raw signal, what was acquired, and how it can be reconstructed."""

    summary: dict[str, str]
    default_method: str
    methods: list[MethodDescription]
    signal_views: list[SignalViewDescription]


class SeriesSource(_Answer):
    """What a series was reconstructed from, and how."""

    acquisition_id: str
    method: str
    parameters: dict[str, Any]


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error answers of an operation, for its OpenAPI description."""
    return {status: {"model": Problem, "description": MEANINGS[status]} for status in statuses}
