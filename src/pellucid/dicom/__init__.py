"""Image ⇄ DICOM (`to_datasets`, `write_series`, `read_series`, `from_datasets`) and NIfTI.

`conformance` says where instances break the standard's definition of their object.
"""

from pellucid.dicom.conformance import conformance
from pellucid.dicom.nifti import read_nifti, write_nifti
from pellucid.dicom.read import from_datasets, read_series
from pellucid.dicom.write import to_datasets, write_series

__all__ = [
    "conformance",
    "from_datasets",
    "read_nifti",
    "read_series",
    "to_datasets",
    "write_nifti",
    "write_series",
]
