"""Named methods from a PET sinogram to an image of activity."""

from pellucid.modalities.nuclear.recon.fbp import fbp
from pellucid.modalities.nuclear.recon.osem import mlem, osem
from pellucid.modality import Method

METHODS = (
    Method("osem", "Ordered-subset expectation maximisation", osem, "doi 10.1109/42.363108"),
    Method("mlem", "Maximum-likelihood expectation maximisation", mlem, "doi 10.1109/TMI.1982.4307558"),
    Method("fbp", "Filtered back-projection after single-slice rebinning", fbp, "doi 10.1073/pnas.68.9.2236"),
)

__all__ = ["METHODS", "fbp", "mlem", "osem"]
