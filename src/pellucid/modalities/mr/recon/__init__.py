"""One named method per module: KSpace → Image."""

from pellucid.modalities.mr.recon import fft, nufft, problem, sense, sparse
from pellucid.modality import Method

METHODS = (
    Method("fft", "Inverse Fourier transform", fft.fft, "doi:10.1002/mrm.1910160203", fft.refuses),
    Method("sense", "SENSE, conjugate gradients", sense.sense, "doi:10.1002/mrm.1241", problem.refuses),
    Method("l1_wavelet", "Compressed sensing, wavelets", sparse.l1_wavelet, "doi:10.1002/mrm.21391", problem.refuses),
    Method(
        "total_variation",
        "Compressed sensing, total variation",
        sparse.total_variation,
        "doi:10.1002/mrm.21236",
        problem.refuses,
    ),
    Method("nufft", "Gridding", nufft.nufft, "doi:10.1109/42.97598", nufft.refuses),
)

__all__ = ["METHODS"]
