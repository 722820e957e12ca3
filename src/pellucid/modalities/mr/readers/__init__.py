"""One module per raw-data format, each with `sniff(head, name)` and `read(path)`."""

from pellucid.modalities.mr.readers import cfl, ismrmrd, npy, twix
from pellucid.modality import Reader

READERS = (
    Reader("ismrmrd", "ISMRMRD (HDF5)", (".h5", ".mrd", ".ismrmrd"), ismrmrd.sniff, ismrmrd.read),
    Reader("twix", "Siemens twix", (".dat",), twix.sniff, twix.read),
    Reader("cfl", "BART", (".hdr", ".cfl"), cfl.sniff, cfl.read),
    Reader("npy", "NumPy array of k-space", (".npy",), npy.sniff, npy.read),
)

__all__ = ["READERS"]
