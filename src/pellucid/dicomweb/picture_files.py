"""Pictures as files: JPEG, PNG, GIF and JPEG 2000, with colour profile, and with texts written into them."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image, ImageCms, ImageDraw, ImageFont
from pydicom.dataset import Dataset

from pellucid.dicomweb.problems import RequestError
from pellucid.dicomweb.rendering import Rendering

_FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/gif": "GIF"}
_MARGIN = 4


def encoded(picture: Image.Image, rendering: Rendering, profile: bytes | None = None) -> bytes:
    """A picture in the media type that was chosen; `profile` is the ICC profile of its colours."""
    if profile is not None and rendering.profile == "srgb":
        picture, profile = _in_srgb(picture, profile)
    if rendering.media_type == "image/jp2":
        return _jpeg_2000(picture, rendering.quality)
    target = io.BytesIO()
    options: dict[str, Any] = {"quality": rendering.quality} if rendering.media_type == "image/jpeg" else {}
    if profile is not None:
        options["icc_profile"] = profile
    picture.save(target, _FORMATS[rendering.media_type], **options)
    return target.getvalue()


def profile_of(dataset: Dataset, rendering: Rendering) -> bytes | None:
    """The ICC profile of an image's colours where one is asked for; sRGB where it has none of its own."""
    if rendering.profile == "no" or int(dataset.get("SamplesPerPixel") or 1) != 3:
        return None
    paths = dataset.get("OpticalPathSequence") or [dataset]
    found = next((path.ICCProfile for path in paths if path.get("ICCProfile")), None)
    return bytes(found) if found else _srgb()


def annotated(picture: Image.Image, dataset: Dataset, what: frozenset[str]) -> Image.Image:
    """The picture with who it shows (top left) and how it was made (bottom left), in yellow on black."""
    size = max(8, min(picture.size) // 32)
    picture, font = picture.convert("RGB"), ImageFont.load_default(size)
    draw = ImageDraw.Draw(picture)
    if "patient" in what:
        text = _lines(dataset, "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate")
        _write(draw, (_MARGIN, _MARGIN), "la", text, font)
    if "technique" in what:
        text = _lines(dataset, "Modality", "SeriesDescription", "KVP", "RepetitionTime", "EchoTime", "SliceThickness")
        _write(draw, (_MARGIN, picture.height - _MARGIN), "ld", text, font)
    return picture


def _write(draw: ImageDraw.ImageDraw, place: tuple[int, int], anchor: str, text: str, font: Any) -> None:
    if text:
        draw.rectangle(draw.multiline_textbbox(place, text, font=font, anchor=anchor), fill="black")
        draw.multiline_text(place, text, fill="yellow", font=font, anchor=anchor)


def _lines(dataset: Dataset, *keywords: str) -> str:
    found = [(keyword, str(dataset.get(keyword) or "")) for keyword in keywords]
    return "\n".join(f"{value} {keyword}" if value[:1].isdigit() else value for keyword, value in found if value)


def _jpeg_2000(picture: Image.Image, quality: int) -> bytes:
    import imagecodecs

    # At 100 without loss; else the peak signal-to-noise ratio [dB].
    level = 0 if quality == 100 else 25 + round(0.35 * quality)
    colours = picture if picture.mode in ("L", "RGB") else picture.convert("RGB")
    return bytes(
        imagecodecs.jpeg2k_encode(np.asarray(colours), level=level, codecformat="jp2", reversible=quality == 100)
    )


def _in_srgb(picture: Image.Image, profile: bytes) -> tuple[Image.Image, bytes]:
    srgb = _srgb()
    try:
        source = ImageCms.getOpenProfile(io.BytesIO(profile))
        target = ImageCms.getOpenProfile(io.BytesIO(srgb))
        converted = ImageCms.profileToProfile(picture.convert("RGB"), source, target)
    except (ImageCms.PyCMSError, OSError) as error:
        raise RequestError(406, "the image's ICC profile cannot be used") from error
    return converted or picture, srgb


def _srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
