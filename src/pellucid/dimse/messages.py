"""DIMSE messages: a command set, and what of a data set may follow it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any

from pellucid.dimse.command_set import NO_DATA_SET, RESPONSE, Command

_CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Context:
    """An accepted presentation context; `as_scu`, `as_scp`: the roles of this side."""

    id: int
    abstract_syntax: str
    transfer_syntax: str
    as_scu: bool = True
    as_scp: bool = True


@dataclass(kw_only=True)
class Message:
    """A received message; `data` is its data set's bytes, or a file of them where `too_large` is False."""

    context: Context
    command: Command
    data: bytes | Path = b""
    too_large: bool = False

    @property
    def operation(self) -> int:
        """The command field without the mark of a response."""
        return int(self.command["CommandField"]) & ~RESPONSE

    @property
    def is_response(self) -> bool:
        """Whether it answers a request."""
        return bool(self.command["CommandField"] & RESPONSE)

    @property
    def has_data(self) -> bool:
        """Whether a data set follows the command."""
        return bool(self.command["CommandDataSetType"] != NO_DATA_SET)

    def answer(self, status: int, **more: Any) -> Command:
        """The command set of a response."""
        mirrored: Command = {
            keyword: self.command[keyword]
            for keyword in ("AffectedSOPClassUID", "AffectedSOPInstanceUID")
            if keyword in self.command
        }
        for requested, affected in _AFFECTED:
            if requested in self.command:
                mirrored[affected] = self.command[requested]
        return {
            **mirrored,
            "CommandField": self.command["CommandField"] | RESPONSE,
            "MessageIDBeingRespondedTo": self.command.get("MessageID", 0),
            "CommandDataSetType": NO_DATA_SET,
            "Status": status,
            **more,
        }

    def discard(self) -> None:
        """Remove the file of the data set, where there is one."""
        if isinstance(self.data, Path):
            self.data.unlink(missing_ok=True)


_AFFECTED = (
    ("RequestedSOPClassUID", "AffectedSOPClassUID"),
    ("RequestedSOPInstanceUID", "AffectedSOPInstanceUID"),
)


class DataSink:
    """Takes a data set's fragments: in memory up to a size, then in a file, and nowhere beyond the largest."""

    def __init__(self, *, memory_bytes: int, largest: int, head: bytes = b"", folder: Path | None = None) -> None:
        self._parts = [head] if head else []
        self._size = len(head)
        self._memory_bytes = memory_bytes
        self._largest = largest
        self._folder = folder
        self._file: IO[bytes] | None = None
        self.too_large = False

    def write(self, piece: memoryview) -> None:
        """Take one fragment."""
        self._size += len(piece)
        if self.too_large or self._size > self._largest:
            self.too_large = True
            self.discard()
        elif self._file is None and (self._size <= self._memory_bytes or self._folder is None):
            self._parts.append(bytes(piece))
        else:
            self._write(piece)

    def result(self) -> bytes | Path:
        """All of it, in order."""
        if self._file is None:
            return b"".join(self._parts)
        self._file.close()
        return Path(self._file.name)

    def discard(self) -> None:
        """Forget all of it."""
        self._parts.clear()
        if self._file is not None:
            self._file.close()
            Path(self._file.name).unlink(missing_ok=True)
            self._file = None

    def _write(self, piece: memoryview) -> None:
        try:
            if self._file is None:
                self._file = NamedTemporaryFile(dir=self._folder, prefix="received-", delete=False)  # noqa: SIM115
                self._file.write(b"".join(self._parts))
                self._parts.clear()
            self._file.write(piece)
        except OSError:  # the disk is full
            self.too_large = True
            self.discard()


def chunks_of(data: bytes | memoryview | Path, start: int = 0) -> Iterator[memoryview]:
    """Bytes, or a file's from `start` on, in pieces."""
    if not isinstance(data, Path):
        yield memoryview(data)[start:]
        return
    with data.open("rb") as file:
        file.seek(start)
        while piece := file.read(_CHUNK):
            yield memoryview(piece)
