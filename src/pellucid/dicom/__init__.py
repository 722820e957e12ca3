"""Image ⇄ DICOM and NIfTI: `to_datasets`, `write_series`; `conformance` says where instances break the standard."""

from pellucid.dicom.conformance import conformance
from pellucid.dicom.write import to_datasets, write_series

__all__ = ["conformance", "to_datasets", "write_series"]
