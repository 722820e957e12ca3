"""Digital patients: labelled volumes with one table of tissue properties that every modality reads.

    head = anatomy.brain()                                   # an Anatomy: labels, affine, tissues, fiducials
    head.property("t1", field_t=3.0)                         # an Image of T1 [ms]
    head.values("attenuation_coefficient", energies_kev=[60, 80])   # per label [1/cm]

`brain` is a head at 1 mm made from openly licensed templates, `torso` a moving analytic body, `phantoms` the test
objects with exact ray integrals and k-space.
"""

from pellucid.anatomy import phantoms
from pellucid.anatomy.anatomy import Anatomy, Fiducial
from pellucid.anatomy.head import brain
from pellucid.anatomy.motion import Motion
from pellucid.anatomy.tissue import Tissue, mass_attenuation
from pellucid.anatomy.tissue_table import all_tissues, sources, tissue, tissues
from pellucid.anatomy.torso import torso

__all__ = [
    "Anatomy",
    "Fiducial",
    "Motion",
    "Tissue",
    "all_tissues",
    "brain",
    "mass_attenuation",
    "phantoms",
    "sources",
    "tissue",
    "tissues",
    "torso",
]
