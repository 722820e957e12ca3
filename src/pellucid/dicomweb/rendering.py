"""How a picture is asked for: the query parameters and media types of rendered resources (PS3.18 section 8.3.5)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pellucid.dicomweb.accept import MediaRange
from pellucid.dicomweb.problems import RequestError

PICTURES = ("image/jpeg", "image/png", "image/gif", "image/jp2")
FILMS = ("image/gif", "video/mp4")
LARGEST = 8192
"""Most pixels of a side."""

_FUNCTIONS = {"linear": "LINEAR", "linear-exact": "LINEAR_EXACT", "sigmoid": "SIGMOID"}
_ANNOTATIONS = ("patient", "technique")
_PROFILES = ("no", "yes", "srgb")

PARAMETERS = {
    "window": ("string", "centre,width[,function]: linear, linear-exact or sigmoid"),
    "viewport": ("string", "width,height[,left,top,width,height] in pixels; a negative width or height mirrors"),
    "quality": ("integer", "Of a JPEG, JPEG 2000 or film, 1 to 100"),
    "annotation": ("string", "patient, technique, or both: written into the picture"),
    "iccprofile": ("string", "no, yes (the image's own) or srgb (converted)"),
    "accept": ("string", "Media type; instead of the header"),
}


@dataclass(frozen=True)
class Window:
    """Centre and width in units after rescale, and the function (PS3.3 C.11.2.1.2)."""

    centre: float
    width: float
    function: str = "LINEAR"


@dataclass(frozen=True)
class Viewport:
    """The picture's size, and the region of the frame (in its pixels) shown in it: None is up to the frame's edge."""

    width: int
    height: int
    left: float = 0.0
    top: float = 0.0
    region_width: float | None = None
    region_height: float | None = None

    @property
    def is_region(self) -> bool:
        """Whether less than the frame is shown, or mirrored."""
        return (self.left, self.top, self.region_width, self.region_height) != (0.0, 0.0, None, None)


@dataclass(frozen=True)
class Rendering:
    """How to render: window (None: the instance's own), viewport (None: full size), quality, colours and texts."""

    media_type: str = "image/jpeg"
    window: Window | None = None
    viewport: Viewport | None = None
    quality: int = 90
    annotation: frozenset[str] = frozenset()
    profile: str = "no"

    @classmethod
    def asked(cls, query: Mapping[str, str]) -> Rendering:
        """From a request's parameters; raises `RequestError` 400."""
        return cls(
            window=window_of(query["window"]) if query.get("window") else None,
            viewport=viewport_of(query["viewport"]) if query.get("viewport") else None,
            quality=quality_of(query.get("quality", "90")),
            annotation=_annotation(query.get("annotation", "")),
            profile=_profile(query.get("iccprofile", "no")),
        )


def chosen_media(ranges: list[MediaRange], offered: tuple[str, ...]) -> tuple[str, bool] | None:
    """The media type that is preferred of those offered (the first is the default), and whether in multipart."""
    for wanted in ranges:
        found = next((media for media in offered if wanted.allows(media)), None)
        if found is not None:
            return found, wanted.multipart
    return None


def window_of(text: str) -> Window:
    """A window such as "40,400,linear"."""
    parts = text.split(",")
    expected = "centre,width,function with function linear, linear-exact or sigmoid"
    try:
        centre, width = float(parts[0]), float(parts[1])
        function = _FUNCTIONS[parts[2].lower()] if len(parts) > 2 else "LINEAR"
    except (ValueError, IndexError, KeyError):
        raise RequestError(400, f"window: is {text!r}; expected {expected}") from None
    finite = math.isfinite(centre) and math.isfinite(width)
    if len(parts) > 3 or not finite or width <= 0 or (function == "LINEAR" and width < 1):
        raise RequestError(400, f"window: is {text!r}; expected {expected}, width > 0 (linear: >= 1)")
    return Window(centre, width, function)


def viewport_of(text: str) -> Viewport:
    """A viewport such as "256,256,,,-512,512"; what is left out is the whole frame."""
    parts = text.split(",")
    problem = RequestError(
        400, f"viewport: is {text!r}; expected width,height[,left,top,width,height] in pixels, up to {LARGEST}"
    )
    if not 2 <= len(parts) <= 6:
        raise problem
    try:
        width, height = int(parts[0]), int(parts[1])
        left, top, *region = [float(part) if part else None for part in (parts[2:] + [""] * 4)[:4]]
    except ValueError:
        raise problem from None
    if not (1 <= width <= LARGEST and 1 <= height <= LARGEST):
        raise problem
    if any(value is not None and not math.isfinite(value) for value in (left, top, *region)) or 0 in region:
        raise problem
    return Viewport(width, height, left or 0.0, top or 0.0, *region)


def quality_of(text: str) -> int:
    """A quality from 1 to 100."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= 100:
        raise RequestError(400, f"quality: is {text!r}; expected 1 … 100")
    return int(text)


def _annotation(text: str) -> frozenset[str]:
    asked = frozenset(part for part in text.split(",") if part)
    if not asked <= set(_ANNOTATIONS):
        raise RequestError(400, f"annotation: is {text!r}; expected {' or '.join(_ANNOTATIONS)}, or both with a comma")
    return asked


def _profile(text: str) -> str:
    if text not in _PROFILES:
        raise RequestError(400, f"iccprofile: is {text!r}; expected {', '.join(_PROFILES)}")
    return text
