"""Pellucid: from a detector's signal to the image a reader measures, for every way of imaging a body.

patient = pellucid.anatomy.brain()                 # a digital patient
raw = pellucid.mr.scan(patient, "t1_gre", seed=0)  # signal
raw = pellucid.read("meas_gre.dat")                # … or a scanner's file
image = pellucid.reconstruct(raw)                  # picture, in patient millimetres
pellucid.save(image, "out/")                       # DICOM series
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_LAZY = {
    "Acquisition": "pellucid.acquisition",
    "Image": "pellucid.image",
    "Provenance": "pellucid.image",
    "StudyContext": "pellucid.study",
    "read": "pellucid.verbs",
    "read_all": "pellucid.verbs",
    "reconstruct": "pellucid.verbs",
    "save": "pellucid.verbs",
    "scan": "pellucid.verbs",
}
_MODULES = {
    "anatomy": "pellucid.anatomy",
    "operators": "pellucid.operators",
    "solvers": "pellucid.solvers",
    "xray": "pellucid.modalities.xray",
    "mr": "pellucid.modalities.mr",
    "nuclear": "pellucid.modalities.nuclear",
}

if TYPE_CHECKING:
    from pellucid import anatomy, operators, solvers
    from pellucid.acquisition import Acquisition
    from pellucid.image import Image, Provenance
    from pellucid.modalities import mr, nuclear, xray
    from pellucid.study import StudyContext
    from pellucid.verbs import read, read_all, reconstruct, save, scan

__all__ = [
    "Acquisition",
    "Image",
    "Provenance",
    "StudyContext",
    "__version__",
    "anatomy",
    "mr",
    "nuclear",
    "operators",
    "read",
    "read_all",
    "reconstruct",
    "save",
    "scan",
    "solvers",
    "xray",
]


def __getattr__(name: str) -> Any:
    """Import on first use: `import pellucid` stays fast."""
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    if name in _MODULES:
        return import_module(_MODULES[name])
    raise AttributeError(f"module 'pellucid' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return __all__
