"""imagecodecs as a pydicom decoding plugin: JPEG Lossless, JPEG-LS, JPEG 2000 and HTJ2K.

pydicom itself finds decoders for JPEG Lossless and 12-bit JPEG only in GPL code, and none for HTJ2K without more
packages. The names in this module are those that pydicom requires of a plugin.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any

import numpy as np
from pydicom import uid
from pydicom.pixels.decoders.base import DecodeRunner, get_decoder

_LABEL = "imagecodecs"
_FUNCTIONS = {
    uid.JPEGExtended12Bit: "jpeg_decode",
    uid.JPEGLossless: "ljpeg_decode",
    uid.JPEGLosslessSV1: "ljpeg_decode",
    uid.JPEGLSLossless: "jpegls_decode",
    uid.JPEGLSNearLossless: "jpegls_decode",
    uid.JPEG2000Lossless: "jpeg2k_decode",
    uid.JPEG2000: "jpeg2k_decode",
    uid.HTJ2KLossless: "htj2k_decode",
    uid.HTJ2KLosslessRPCL: "htj2k_decode",
    uid.HTJ2K: "htj2k_decode",
}
DECODER_DEPENDENCIES = dict.fromkeys(_FUNCTIONS, ("imagecodecs",))
_J2K = frozenset({uid.JPEG2000Lossless, uid.JPEG2000, uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL, uid.HTJ2K})
_END_OF_CODESTREAM = b"\xff\xd9"
_registering = Lock()


def is_available(syntax: str) -> bool:
    """Whether this plugin decodes the transfer syntax."""
    return syntax in _FUNCTIONS


def register() -> None:
    """Make pydicom use this plugin where its own cannot decode (once; more calls do nothing)."""
    with _registering:
        for syntax in _FUNCTIONS:
            decoder = get_decoder(syntax)
            if _LABEL not in decoder.available_plugins:
                decoder.add_plugin(_LABEL, (__name__, "_decode_frame"))


def can_decode(syntax: uid.UID) -> bool:
    """Whether pixels in the transfer syntax can be decoded, by this plugin or pydicom's own."""
    register()
    try:
        return bool(get_decoder(syntax).is_available)
    except NotImplementedError:
        return False


def _decode_frame(src: bytes, runner: DecodeRunner) -> bytes:
    """One frame as little endian samples, colour by pixel."""
    import imagecodecs

    name = _FUNCTIONS[uid.UID(runner.transfer_syntax)]
    if name == "htj2k_decode" and _END_OF_CODESTREAM not in src:
        # The decoder would make up what is missing (the marker is required: ISO 15444-1 A.4.4).
        raise ValueError("the codestream has no end marker; it is cut off")
    decode: Callable[[bytes], Any] = getattr(imagecodecs, name)
    frame = np.ascontiguousarray(decode(bytes(src)))
    runner.set_option("bits_allocated", 8 * frame.dtype.itemsize)
    if runner.samples_per_pixel > 1:
        runner.set_option("planar_configuration", 0)
    if runner.transfer_syntax in _J2K and runner.photometric_interpretation in ("YBR_ICT", "YBR_RCT"):
        runner.set_option("photometric_interpretation", "RGB")
    return frame.astype(frame.dtype.newbyteorder("<"), copy=False).tobytes()
