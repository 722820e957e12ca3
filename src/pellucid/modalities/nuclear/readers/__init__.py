"""Readers of raw PET data, one module per format."""

from pellucid.modalities.nuclear.readers.interfile import READER as INTERFILE
from pellucid.modalities.nuclear.readers.petlink import READER as PETLINK
from pellucid.modality import Reader

READERS: tuple[Reader, ...] = (INTERFILE, PETLINK)
