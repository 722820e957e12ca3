"""One module per raw-data format, each with `sniff(head, name)` and `read(path)`."""

from pellucid.modality import Reader

READERS: tuple[Reader, ...] = ()

__all__ = ["READERS"]
