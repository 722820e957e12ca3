"""What is sent of an instance: its file as it is, in another transfer syntax, or without its pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, Self

from pellucid.archive import InstanceRecord, View
from pellucid.archive.referenced import can_be_referenced, referenced, referring_syntaxes
from pellucid.dimse.services import REFERENCED_SYNTAXES
from pellucid.errors import InvalidInputError, UnsupportedError

_IN_MEMORY = 32 << 20


@dataclass(frozen=True, kw_only=True)
class Content:
    """The DICOM file of an instance, as bytes or as a file on disk.

    `convert` writes it in another transfer syntax, its pixels the same; in `folder`, where there is one. `refer`
    makes it in one of `referring`, the JPIP Referenced transfer syntaxes in which it can be had, the preferred first.
    """

    data: bytes | Path
    convert: Callable[[BinaryIO, str], None]
    folder: Path | None = None
    refer: Callable[[str], bytes] | None = None
    referring: Sequence[str] = ()

    @classmethod
    def of_file(cls, path: Path) -> Self:
        """A file that is in no archive."""
        from pellucid.codecs import transcode_into

        return cls(data=path, convert=lambda target, syntax: transcode_into(target, path, syntax))

    @classmethod
    def of_record(cls, view: View, record: InstanceRecord, *, folder: Path, jpip: str = "") -> Self:
        """A stored instance, in memory where it is not large; `jpip`: the address of what provides its pixels."""
        small = record.object_size <= _IN_MEMORY
        return cls(
            data=view.fetch(record) if small else view.objects.path(record.object_sha256),
            convert=lambda target, syntax: view.frames.write(target, record, syntax),
            folder=folder,
            refer=lambda syntax: _refer(view, record, syntax, jpip),
            referring=referring_syntaxes(record) if jpip else (),
        )

    @contextmanager
    def in_syntax(self, syntax: str) -> Iterator[bytes | Path]:
        """It in another transfer syntax, for the time of the block; through a file, so that its size does not matter.

        Raises `UnsupportedError` where it cannot be had in that one.
        """
        if syntax in REFERENCED_SYNTAXES and self.refer is not None:
            yield self.refer(syntax)
            return
        with TemporaryDirectory(prefix="converted-", dir=self.folder) as folder:
            made = Path(folder) / "converted.dcm"
            with made.open("wb") as file:
                self.convert(file, syntax)
            yield made


def provider_syntax(view: View, record: InstanceRecord) -> str | None:
    """The transfer syntax whose JPIP address gives the instance's pixels best; None where none does."""
    try:
        return next((uid for uid in referring_syntaxes(record) if can_be_referenced(view, record, uid)), None)
    except InvalidInputError:  # damaged pixels
        return None


def _refer(view: View, record: InstanceRecord, syntax: str, jpip: str) -> bytes:
    if not can_be_referenced(view, record, syntax):
        raise UnsupportedError("has no pixels that JPIP could provide", field="PixelData")
    return referenced(view, record, syntax, jpip)
