"""One named method per module: KSpace → Image."""

from pellucid.modalities.mr.recon import fft as _fft
from pellucid.modality import Method

METHODS = (Method("fft", "Inverse Fourier transform", _fft.fft, "doi:10.1002/mrm.1910160203", _fft.refuses),)

__all__ = ["METHODS"]
