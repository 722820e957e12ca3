"""Which attributes change with the transfer syntax, and nothing else (PS3.3 C.7.6.3, C.7.6.1.1.5; PS3.5 section 8)."""

from __future__ import annotations

import io
import uuid
from dataclasses import dataclass, field

import numpy as np

from pellucid.codecs.conversion import Conversion
from pellucid.codecs.elements import ITEM, Encoding, Recoding, elements, header, items
from pellucid.codecs.frame_codec import Cells
from pellucid.codecs.instance import Instance
from pellucid.codecs.pixel_form import PixelForm
from pellucid.codecs.syntaxes import JPEG_BASELINE, JPEG_EXTENDED, syntax_of

_CHANGED = Encoding()
SOP_INSTANCE_UID, MEDIA_SOP_INSTANCE_UID = 0x00080018, 0x00020003
_ALWAYS_LOSSY = (JPEG_BASELINE, JPEG_EXTENDED)
_CODE = ((0x00080100, "SH", "113040"), (0x00080102, "SH", "DCM"), (0x00080104, "LO", "Lossy Compression"))


@dataclass
class Changes:
    """New values by tag: representation and bytes (little endian), or None where the attribute goes."""

    values: dict[int, tuple[str, bytes] | None] = field(default_factory=dict)

    def number(self, tag: int, value: int) -> None:
        """An unsigned short."""
        self.values[tag] = "US", int(value).to_bytes(2, "little")

    def text(self, tag: int, vr: str, value: str) -> None:
        """Text as it was read, byte for byte."""
        data = value.encode("latin-1", "replace")
        self.values[tag] = vr, data + (b"\0" if vr == "UI" else b" ") * (len(data) % 2)


def changes(instance: Instance, conversion: Conversion, native_bytes: int, coded_bytes: int) -> Changes:
    """What an instance's attributes become; the sizes are those of all frames."""
    made = Changes()
    _describe_pixels(made, instance, conversion.form, conversion.result())
    if conversion.lossy is not None:
        _note_loss(made, instance, syntax_of(conversion.wanted).method, native_bytes / coded_bytes)
        _derive(made, instance)
    elif conversion.given in _ALWAYS_LOSSY and instance.text(0x00282110) != "01":
        _note_loss(made, instance, syntax_of(conversion.given).method, native_bytes / coded_bytes)
    return made


def _describe_pixels(made: Changes, instance: Instance, before: PixelForm, after: PixelForm) -> None:
    if after.photometric != before.photometric:
        made.text(0x00280004, "CS", after.photometric)
    if after.samples > 1 and (after.planar != before.planar or 0x00280006 not in instance.values):
        made.number(0x00280006, after.planar)
    if after.high_bit != before.high_bit:
        made.number(0x00280102, after.high_bit)


def _note_loss(made: Changes, instance: Instance, method: str, ratio: float) -> None:
    """One value more for each time that something was lost."""
    made.text(0x00282110, "CS", "01")
    for tag, vr, value in ((0x00282112, "DS", f"{ratio:.6g}"), (0x00282114, "CS", method)):
        made.text(tag, vr, "\\".join(part for part in (instance.text(tag), value) if part))


def _derive(made: Changes, instance: Instance) -> None:
    """A lossy copy is another instance, which names the one it was made from."""
    source = _item([(0x00081150, "UI", instance.text(0x00080016)), (0x00081155, "UI", instance.text(SOP_INSTANCE_UID))])
    made.text(SOP_INSTANCE_UID, "UI", f"2.25.{uuid.uuid4().int}")
    kinds = instance.text(0x00080008).split("\\")
    made.text(0x00080008, "CS", "\\".join(["DERIVED", *(kinds[1:] or ["PRIMARY"])]))
    _append(made, instance, 0x00082112, source)
    _append(made, instance, 0x00089215, _item(list(_CODE)))


def _append(made: Changes, instance: Instance, tag: int, item: bytes) -> None:
    """An item more in a sequence."""
    present = io.BytesIO()
    for element in elements(instance.source, instance.encoding, instance.start, instance.source.size):
        if element.tag >= tag:
            if element.tag == tag:
                _copy_items(instance, element.start, element.end, present)
            break
    made.values[tag] = "SQ", present.getvalue() + item


def _copy_items(instance: Instance, start: int, end: int, target: io.BytesIO) -> None:
    recoding = Recoding(instance.source, instance.encoding, _CHANGED)
    for found in items(instance.source, instance.encoding, start, end, 0):
        content = io.BytesIO()
        for inner in elements(instance.source, instance.encoding, found.start, found.end, 1):
            recoding.write(inner, content, 1)
        target.write(header(ITEM, "", content.tell(), _CHANGED) + content.getvalue())


def _item(values: list[tuple[int, str, str]]) -> bytes:
    made = Changes()
    for tag, vr, value in values:
        made.text(tag, vr, value)
    written = b"".join(
        header(tag, vr, len(data), _CHANGED) + data
        for tag, (vr, data) in ((tag, value) for tag, value in made.values.items() if value is not None)
    )
    return header(ITEM, "", len(written), _CHANGED) + written


class EmbeddedOverlays:
    """Overlays that lie in bits of the pixel cells beside the stored ones (PS3.3 C.9.2, retired).

    Codecs keep stored bits only: such overlays move into Overlay Data of their own.
    """

    def __init__(self, instance: Instance, form: PixelForm) -> None:
        self._frames, self._pixels = form.frames, form.rows * form.columns
        low = form.high_bit - form.stored + 1
        self.bits: dict[int, int] = {}
        for tag, data in instance.values.items():
            group, number = tag >> 16, tag & 0xFFFF
            if group & 0xFF00 == 0x6000 and number == 0x0102 and group << 16 | 0x3000 not in instance.values:
                bit = int.from_bytes(data[:2], "big" if instance.syntax.big_endian else "little")
                if bit < form.allocated and not low <= bit <= form.high_bit:
                    self.bits[group] = bit
        self._planes: dict[int, list[Cells]] = {group: [] for group in self.bits}

    def take(self, cells: Cells) -> None:
        """The overlays of the next frame."""
        for group, bit in self.bits.items():
            self._planes[group].append(np.packbits((cells.ravel() >> bit) & 1 != 0, bitorder="little"))

    def write(self, made: Changes) -> None:
        """What the attributes of the overlay planes become, where their frames were taken."""
        for group, planes in self._planes.items():
            if not planes:
                continue
            bits = [np.unpackbits(plane, bitorder="little")[: self._pixels] for plane in planes]
            data = np.packbits(np.concatenate(bits), bitorder="little").tobytes()
            base = group << 16
            made.number(base | 0x0100, 1)
            made.number(base | 0x0102, 0)
            if self._frames > 1:
                made.text(base | 0x0015, "IS", str(self._frames))
            made.values[base | 0x3000] = "OW", data + b"\0" * (len(data) % 2)
