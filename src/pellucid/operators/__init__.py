"""Linear maps with exact adjoints: y = A x.

| symbol | class | meaning |
|---|---|---|
| A | `LinearOperator` | maps an array of `shape_in` to one of `shape_out` |
| Aᴴ | `A.H` | the adjoint in the plain Euclidean inner product |
| AᴴA | `A.gram` | the normal operator |
| F | `Fourier` | centred unitary discrete Fourier transform |
| F | `NonUniformFourier`, `Toeplitz` | Fourier transform at any places; its normal operator |
| W | `Wavelet` | orthogonal wavelet transform |
| G | `Convolution`, `GaussianBlur` | blur |
| D | `Diagonal`, `Sampling` | elementwise weights (coil maps), sampling mask |
| ∇ | `FiniteDifference` | forward differences along every axis |
"""

from pellucid.operators.convolution import Convolution, GaussianBlur
from pellucid.operators.diagonal import Diagonal, Sampling
from pellucid.operators.finite_difference import FiniteDifference
from pellucid.operators.fourier import Fourier
from pellucid.operators.linear_operator import Identity, LinearOperator, Scaled, Sum, VerticalStack
from pellucid.operators.non_uniform_fourier import NonUniformFourier
from pellucid.operators.toeplitz import Toeplitz
from pellucid.operators.wavelet import Wavelet

__all__ = [
    "Convolution",
    "Diagonal",
    "FiniteDifference",
    "Fourier",
    "GaussianBlur",
    "Identity",
    "LinearOperator",
    "NonUniformFourier",
    "Sampling",
    "Scaled",
    "Sum",
    "Toeplitz",
    "VerticalStack",
    "Wavelet",
]
