"""Readers of raw X-ray data, one per format."""

from pellucid.modalities.xray.readers import data_exchange
from pellucid.modality import Reader

READERS = (
    Reader(
        name="data_exchange",
        title="Data Exchange (synchrotron tomography, HDF5)",
        extensions=(".h5", ".hdf5", ".hdf"),
        sniff=data_exchange.sniff,
        read=data_exchange.read,
    ),
)
