"""DICOM files of every pixel form, made here."""

import io
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

EXPLICIT, IMPLICIT, BIG = map(str, (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian))
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


@dataclass(frozen=True)
class Pixels:
    """Stored values [frame, row, column(, sample)] and what is said of them."""

    values: np.ndarray
    allocated: int
    stored: int
    photometric: str = "MONOCHROME2"
    planar: int = 0
    high_bit: int | None = None

    @property
    def signed(self):
        return self.values.dtype.kind == "i"


def pixels(seed, shape=(1, 11, 13), allocated=16, stored=12, signed=False, **more):
    """Values over the whole range of `stored` bits, smooth enough to be an image."""
    rng = np.random.default_rng(seed)
    low = -(1 << (stored - 1)) if signed else 0
    high = low + (1 << stored) - 1
    ramp = np.linspace(low, high, int(np.prod(shape))).reshape(shape)
    noise = rng.normal(0, (high - low) / 50, shape)
    values = np.clip(np.rint(ramp + noise), low, high)
    values.ravel()[[0, -1]] = low, high
    kind = f"{'i' if signed else 'u'}{max(1, allocated // 8)}"
    return Pixels(values.astype(np.int64).astype(kind), allocated, stored, **more)


def native(made):
    """The native bytes of all frames, little endian."""
    values = made.values
    if made.allocated == 1:
        return np.packbits(values.astype(bool).ravel(), bitorder="little").tobytes()
    if made.planar:
        values = np.moveaxis(values, -1, 1)
    high = made.stored - 1 if made.high_bit is None else made.high_bit
    cells = (values.astype(np.int64) << (high - made.stored + 1)).astype(values.dtype)
    return cells.astype(values.dtype.newbyteorder("<")).tobytes()


def dataset(made, **attributes):
    """A data set of these pixels with a private sequence, odd texts and a look-up table to carry along."""
    found = Dataset()
    found.SpecificCharacterSet = "ISO_IR 100"
    found.ImageType = ["ORIGINAL", "PRIMARY"]
    found.SOPClassUID = SECONDARY_CAPTURE
    found.SOPInstanceUID = "1.2.3.4"
    found.StudyInstanceUID = "1.2.3"
    found.SeriesInstanceUID = "1.2.3.5"
    found.PatientName = "Müller^Jörg"
    found.Modality = "OT"
    inner = Dataset()
    inner.ReferencedSOPClassUID = SECONDARY_CAPTURE
    inner.ReferencedSOPInstanceUID = "1.2.9"
    found.ReferencedImageSequence = [inner]
    block = found.private_block(0x0029, "PELLUCID TEST", create=True)
    block.add_new(0x01, "OB", b"\1\2\3\4")
    block.add_new(0x02, "FD", [1.5, -2.25])
    block.add_new(0x03, "SQ", [inner])
    found.SamplesPerPixel = 3 if made.values.ndim == 4 else 1
    found.PhotometricInterpretation = made.photometric
    if made.values.ndim == 4:
        found.PlanarConfiguration = made.planar
    if len(made.values) > 1:
        found.NumberOfFrames = len(made.values)
    found.Rows, found.Columns = made.values.shape[1:3]
    found.BitsAllocated, found.BitsStored = made.allocated, made.stored
    found.HighBit = made.stored - 1 if made.high_bit is None else made.high_bit
    found.PixelRepresentation = int(made.signed)
    found.SmallestImagePixelValue = int(made.values.min()) if made.allocated <= 16 else 0
    for keyword, value in attributes.items():
        setattr(found, keyword, value)
    return found


def file_bytes(found, data, syntax=EXPLICIT):
    """The data set with pixel data in a native transfer syntax."""
    found.PixelData = data + b"\0" * (len(data) % 2)
    found["PixelData"].VR = "OW" if found.BitsAllocated > 8 or syntax == IMPLICIT else "OB"
    if syntax == BIG and found.BitsAllocated > 8:
        found.PixelData = np.frombuffer(found.PixelData, f"<u{found.BitsAllocated // 8}").byteswap().tobytes()
    found.file_meta = FileMetaDataset()
    found.file_meta.TransferSyntaxUID = syntax
    target = io.BytesIO()
    found.save_as(target, enforce_file_format=True)
    return target.getvalue()


def file_of(made, syntax=EXPLICIT, **attributes):
    return file_bytes(dataset(made, **attributes), native(made), syntax)
