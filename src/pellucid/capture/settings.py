"""What of a video is kept, and as what."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from pellucid.errors import InvalidInputError, UnknownOptionError

BODY_PARTS = {
    "whole body": ("38266002", "Entire body"),
    "skin": ("39937001", "Skin structure"),
    "eye": ("81745001", "Eye"),
    "ear": ("117590005", "Ear"),
    "nose": ("45206002", "Nose"),
    "mouth": ("123851003", "Mouth region"),
    "face": ("89545001", "Face"),
    "larynx": ("4596009", "Larynx"),
    "bronchus": ("955009", "Bronchus"),
    "esophagus": ("32849002", "Esophagus"),
    "stomach": ("69695003", "Stomach"),
    "duodenum": ("38848004", "Duodenum"),
    "colon": ("71854001", "Colon"),
    "rectum": ("34402009", "Rectum"),
    "bladder": ("89837001", "Bladder"),
    "uterus": ("35039007", "Uterus"),
    "breast": ("76752008", "Breast"),
    "heart": ("80891009", "Heart"),
    "liver": ("10200004", "Liver"),
    "kidney": ("64033007", "Kidney"),
    "thyroid": ("69748006", "Thyroid"),
    "knee": ("72696002", "Knee"),
    "hand": ("85562004", "Hand"),
    "foot": ("56459004", "Foot"),
}
"""Anatomic regions: SNOMED CT code and meaning (PS3.16 CID 4 and 4031)."""

KINDS = ("sc", "us", "video")
VIEWS = ("photographic", "endoscopic", "microscopic")
DEINTERLACE = ("auto", "always", "never")
Kind = Literal["sc", "us", "video"]
View = Literal["photographic", "endoscopic", "microscopic"]
Deinterlace = Literal["auto", "always", "never"]
_MOST_STILLS = 1000


@dataclass(frozen=True, kw_only=True)
class Crop:
    """A rectangle of the picture [pixel]: its left upper corner, width and height."""

    x: int
    y: int
    width: int
    height: int

    def __post_init__(self) -> None:
        if min(self.x, self.y) < 0 or min(self.width, self.height) < 1:
            raise InvalidInputError(f"is {self}; expected a corner from 0,0 on, and a size", field="crop")

    @classmethod
    def parse(cls, text: str) -> Self:
        """From WIDTHxHEIGHT+X+Y."""
        found = re.fullmatch(r"(\d+)x(\d+)\+(\d+)\+(\d+)", text)
        if not found:
            raise InvalidInputError(f"is {text!r}; expected WIDTHxHEIGHT+X+Y, such as 640x480+100+50", field="crop")
        width, height, x, y = map(int, found.groups())
        return cls(x=x, y=y, width=width, height=height)


@dataclass(frozen=True, kw_only=True)
class Region:
    """A calibrated rectangle of the source's picture: size of a pixel along each axis [mm] (PS3.3 C.8.5.5)."""

    area: Crop
    column_spacing_mm: float
    row_spacing_mm: float

    def __post_init__(self) -> None:
        if not 0 < self.column_spacing_mm < 1000 or not 0 < self.row_spacing_mm < 1000:
            raise InvalidInputError("needs pixel sizes above 0 and below 1000 mm", field="region")

    @classmethod
    def parse(cls, text: str) -> Self:
        """From WIDTHxHEIGHT+X+Y@MM or …@MM_ALONG_ROW,MM_ALONG_COLUMN."""
        area, at, sizes = text.partition("@")
        try:
            numbers = [float(size) for size in sizes.split(",")]
        except ValueError:
            numbers = []
        if not at or len(numbers) not in (1, 2):
            raise InvalidInputError(
                f"is {text!r}; expected WIDTHxHEIGHT+X+Y@MM, such as 600x400+20+40@0.2", field="region"
            )
        return cls(area=Crop.parse(area), column_spacing_mm=numbers[0], row_spacing_mm=numbers[-1])


@dataclass(frozen=True, kw_only=True)
class CaptureSettings:
    """How to capture.

    `kind`: "sc" (Secondary Capture: single, or multi-frame true colour), "us" (Ultrasound, with calibrated
    `regions`), "video" (H.264, of the `view`'s SOP class). `start_s`, `stop_s`: the part that is kept [s], from the
    first frame on. `every`: of how many frames one is kept. `stills_s`: single pictures at these times instead.
    `crop`: what of each picture. `deinterlace`: "auto" where frames say that they are interlaced.
    `largest_bytes`: of one object. `body_part`: one of `BODY_PARTS`, empty where unknown; video objects must have one.
    """

    kind: Kind = "sc"
    view: View = "photographic"
    start_s: float = 0.0
    stop_s: float | None = None
    every: int = 1
    stills_s: tuple[float, ...] = ()
    crop: Crop | None = None
    deinterlace: Deinterlace = "auto"
    regions: tuple[Region, ...] = ()
    series_description: str = ""
    body_part: str = ""
    series_number: int = 1
    largest_bytes: int = 4_000_000_000

    def __post_init__(self) -> None:
        for name, given, known in (
            ("kind of capture", self.kind, KINDS),
            ("view", self.view, VIEWS),
            ("deinterlacing", self.deinterlace, DEINTERLACE),
        ):
            if given not in known:
                raise UnknownOptionError(name, given, known)
        if self.body_part and self.body_part not in BODY_PARTS:
            raise UnknownOptionError("body part", self.body_part, BODY_PARTS)
        if self.start_s < 0 or (self.stop_s is not None and self.stop_s <= self.start_s):
            raise InvalidInputError(f"{self.start_s} s to {self.stop_s} s is no part of a video", field="start, stop")
        if self.every < 1:
            raise InvalidInputError(f"is {self.every}; expected 1 or more", field="every")
        if len(self.stills_s) > _MOST_STILLS or any(time < 0 for time in self.stills_s):
            raise InvalidInputError(f"expected up to {_MOST_STILLS} times from 0 s on", field="stills")
        if self.stills_s and self.kind == "video":
            raise InvalidInputError("are pictures, not video; use sc or us", field="stills")
        if self.regions and self.kind != "us":
            raise InvalidInputError("is for ultrasound (us) alone", field="region")
        if len(self.series_description) > 64 or "\\" in self.series_description:
            raise InvalidInputError("needs up to 64 characters, no backslash", field="series description")

    @property
    def keeps_everything(self) -> bool:
        """Whether nothing is taken from the stream: it may stay coded as it is."""
        return not self.start_s and self.stop_s is None and self.every == 1 and self.crop is None

    def to_json(self) -> dict[str, Any]:
        """For another process."""
        return asdict(self)

    @classmethod
    def of_json(cls, values: dict[str, Any]) -> Self:
        """What `to_json` made."""
        crop = values.get("crop")
        regions = [{**region, "area": Crop(**region["area"])} for region in values.get("regions", ())]
        return cls(
            **{
                **values,
                "crop": Crop(**crop) if crop else None,
                "regions": tuple(Region(**region) for region in regions),
                "stills_s": tuple(values.get("stills_s", ())),
            }
        )
