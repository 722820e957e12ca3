"""Data terms and priors: min_x F(A x) + G(x).

| class | f | noise or meaning |
|---|---|---|
| `LeastSquares` | ½ Σ w ∣A x − y∣² | normal noise |
| `PoissonLikelihood` | Σ e − y + y ln(y/e), e = A x + b | counted quanta |
| `SquaredDistance`, `KullbackLeibler` | the same of z = A x | for primal-dual methods |
| `L1` | Σ w ∣W x∣ | sparsity, e.g. of wavelet coefficients |
| `TotalVariation` | w Σ ∣∇x∣ | piecewise smooth |
| `Tikhonov` | ½ w ‖B x‖² | small or smooth |
| `NonNegativity` | 0 where x ≥ 0 | densities, counts |
| `Zero` | 0 | no prior |
"""

from pellucid.functionals.functional import DataTerm, Functional, Proximable, Smooth, moreau_dual
from pellucid.functionals.l1 import L1
from pellucid.functionals.least_squares import LeastSquares, SquaredDistance
from pellucid.functionals.non_negativity import NonNegativity, Zero
from pellucid.functionals.poisson_likelihood import KullbackLeibler, PoissonLikelihood
from pellucid.functionals.tikhonov import Tikhonov
from pellucid.functionals.total_variation import TotalVariation

__all__ = [
    "L1",
    "DataTerm",
    "Functional",
    "KullbackLeibler",
    "LeastSquares",
    "NonNegativity",
    "PoissonLikelihood",
    "Proximable",
    "Smooth",
    "SquaredDistance",
    "Tikhonov",
    "TotalVariation",
    "Zero",
    "moreau_dual",
]
