"""Videos made here: every frame has a colour of its own and its number as bars."""

from fractions import Fraction

import av
import numpy as np

COLUMNS, ROWS = 160, 120
MILLISECOND = Fraction(1, 1000)


def colour(number):
    """The colour of a frame: no two of a video are near each other."""
    return np.array([(number * 83) % 200 + 28, (number * 127) % 200 + 28, (number * 41) % 200 + 28], np.uint8)


def picture(number, rows=ROWS, columns=COLUMNS):
    """A frame `[row, column, RGB]`: its colour, above it eight fields that are its number's bits, the lowest left."""
    made = np.empty((rows, columns, 3), np.uint8)
    made[:] = colour(number)
    for bit in range(8):
        made[: rows // 4, bit * columns // 8 : (bit + 1) * columns // 8] = 235 if number >> bit & 1 else 20
    return made


def number_of(pixels):
    """The number that a frame's bars show."""
    rows, columns = pixels.shape[:2]
    fields = [pixels[rows // 8, (2 * bit + 1) * columns // 16].mean() > 127 for bit in range(8)]
    return sum(1 << bit for bit, on in enumerate(fields) if on)


def field_of(pixels):
    """The mean colour of a frame's lower half."""
    return pixels[pixels.shape[0] // 2 :, 8:-8].reshape(-1, 3).mean(0)


def uneven(count):
    """Times as a camera has them [ms]: no two intervals next to each other are equal."""
    return [40 * n + (n % 3) * 7 for n in range(count)]


def write(
    path, codec="libx264", *, count=30, times=None, rows=ROWS, columns=COLUMNS, pixels="yuv420p", sound=False, **options
):
    """Write a video; `times` [ms]."""
    made_by = picture if "picture" not in options else options.pop("picture")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = columns, rows, pixels
        stream.codec_context.time_base = MILLISECOND
        stream.codec_context.options = {name: str(value) for name, value in options.items()}
        for number in range(len(times) if times else count):
            frame = av.VideoFrame.from_ndarray(made_by(number, rows, columns), format="rgb24")
            frame = frame.reformat(format=pixels, dst_colorspace="ITU601")
            frame.pts = times[number] if times else 40 * number
            frame.time_base = MILLISECOND
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
