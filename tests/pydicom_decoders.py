"""imagecodecs as a decoding plugin of pydicom, so that tests can read HTJ2K and lossless JPEG with pydicom.

The names in this module are those that pydicom requires of a plugin.
"""

import imagecodecs
import numpy as np
from pydicom import uid
from pydicom.pixels.decoders.base import get_decoder

_FUNCTIONS = {
    uid.JPEGLossless: "ljpeg_decode",
    uid.JPEGLosslessSV1: "ljpeg_decode",
    uid.HTJ2KLossless: "jpeg2k_decode",
    uid.HTJ2KLosslessRPCL: "jpeg2k_decode",
    uid.HTJ2K: "jpeg2k_decode",
}
DECODER_DEPENDENCIES = dict.fromkeys(_FUNCTIONS, ("imagecodecs",))


def is_available(syntax):
    return syntax in _FUNCTIONS


def register():
    for syntax in _FUNCTIONS:
        decoder = get_decoder(syntax)
        if "imagecodecs" not in decoder.available_plugins:
            decoder.add_plugin("imagecodecs", (__name__, "_decode_frame"))


def _decode_frame(src, runner):
    frame = np.ascontiguousarray(getattr(imagecodecs, _FUNCTIONS[uid.UID(runner.transfer_syntax)])(bytes(src)))
    runner.set_option("bits_allocated", 8 * frame.dtype.itemsize)
    if runner.samples_per_pixel > 1:
        runner.set_option("planar_configuration", 0)
    if runner.photometric_interpretation in ("YBR_ICT", "YBR_RCT"):
        runner.set_option("photometric_interpretation", "RGB")
    return frame.astype(frame.dtype.newbyteorder("<"), copy=False).tobytes()
