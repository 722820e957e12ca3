"""Transfer syntaxes: frames coded and decoded, whole instances transcoded, and which syntax a client is given.

    transcode(data, named("htj2k"))                  # a DICOM file's bytes, verified lossless
    choose_syntax(stored, accepted)                  # as stored, else a lossless one, never a silent loss
    codec_of(uid).decode(coded, form)                # one frame

Native decoders run in processes of their own (`pellucid.codecs.sandbox`): data comes from outside.
"""

from pellucid.codecs.comparing import require_same_pixels
from pellucid.codecs.conversion import Conversion, NotLosslessError
from pellucid.codecs.frame_codec import FrameCodec, Lossy
from pellucid.codecs.instance import Instance
from pellucid.codecs.negotiation import choose_syntax
from pellucid.codecs.pixel_form import Limits, PixelForm
from pellucid.codecs.syntaxes import named, syntax_of
from pellucid.codecs.table import codec_of
from pellucid.codecs.transcode import Options, transcode, transcode_into

__all__ = [
    "Conversion",
    "FrameCodec",
    "Instance",
    "Limits",
    "Lossy",
    "NotLosslessError",
    "Options",
    "PixelForm",
    "choose_syntax",
    "codec_of",
    "named",
    "require_same_pixels",
    "syntax_of",
    "transcode",
    "transcode_into",
]
