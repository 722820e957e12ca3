"""Readers of raw PET data, one module per format."""

from pellucid.modality import Reader

READERS: tuple[Reader, ...] = ()
