"""Whether two files hold the same pixels: read again, decoded and compared frame by frame."""

from __future__ import annotations

from pathlib import Path
from typing import IO

import numpy as np

from pellucid.codecs.conversion import Conversion, Converter, NotLosslessError
from pellucid.codecs.frame_codec import Cells
from pellucid.codecs.instance import Instance
from pellucid.codecs.pixel_form import Limits
from pellucid.codecs.sandbox import in_sandbox
from pellucid.codecs.syntaxes import EXPLICIT
from pellucid.codecs.table import decoded_form

_Data = bytes | Path | IO[bytes]


def require_same_pixels(
    original: _Data, other: _Data, *, limits: Limits | None = None, converter: Converter = in_sandbox
) -> None:
    """Raises `NotLosslessError` where the pixels of two DICOM files differ; open files are closed.

    Colours are compared as they are once a codec's own transform is undone.
    """
    with Instance.open(original, limits) as first, Instance.open(other, limits) as second:
        if first.pixel is None and second.pixel is None:
            return
        if first.pixel is None or second.pixel is None or first.frame_count != second.frame_count:
            raise NotLosslessError("the number of frames is not the same")
        for frame in range(first.frame_count):
            one, one_colours = _decoded(first, frame, converter)
            two, two_colours = _decoded(second, frame, converter)
            if one_colours != two_colours or one.dtype != two.dtype or not np.array_equal(one, two, equal_nan=False):
                raise NotLosslessError(f"frame {frame + 1} does not hold the same pixels")


def _decoded(instance: Instance, frame: int, converter: Converter) -> tuple[Cells, str]:
    form = instance.form()
    after = decoded_form(instance.syntax.uid, form)
    if instance.syntax.native:
        cells = instance.native_frame(frame, form)
        if cells.dtype.kind == "f":  # bit for bit: a number that is none equals itself
            return cells.view(f"<u{cells.dtype.itemsize}"), after.photometric
    else:
        conversion = Conversion(given=instance.syntax.uid, form=form, wanted=EXPLICIT, limits=instance.limits)
        data = converter(conversion, instance.coded_frame(frame))
        cells = np.frombuffer(data, after.dtype).reshape(after.shape)
    return after.values(cells), after.photometric
