"""Iterative algorithms: generators that yield a `State` per iteration.

| solver | minimises | for |
|---|---|---|
| `conjugate_gradient` | ½ ⟨x, A x⟩ − ⟨b, x⟩ | normal equations |
| `cgls` | ½ ‖A x − y‖² + ½ d² ‖x‖² | least squares |
| `sirt` | ½ ‖A x − y‖²_R | projectors |
| `fista` | f(x) + g(x) | smooth f, prior g with a proximal map |
| `pdhg`, `total_variation_pdhg` | F(A x) + TV(x) + G(x) | total variation, constraints |
| `mlem`, `osem` | Poisson deviance of y and A x + b | emission counts |

They take operators and functionals, know no modality, no file and no progress bar; `last` joins one to a
`Progress`, which is also how it is cancelled.
"""

from pellucid.solvers.cgls import cgls
from pellucid.solvers.conjugate_gradient import conjugate_gradient
from pellucid.solvers.expectation_maximisation import Subset, mlem, osem
from pellucid.solvers.fista import fista
from pellucid.solvers.pdhg import pdhg, total_variation_pdhg
from pellucid.solvers.sirt import sirt
from pellucid.solvers.state import State, last

__all__ = [
    "State",
    "Subset",
    "cgls",
    "conjugate_gradient",
    "fista",
    "last",
    "mlem",
    "osem",
    "pdhg",
    "sirt",
    "total_variation_pdhg",
]
