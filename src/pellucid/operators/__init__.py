"""Linear maps with exact adjoints: y = A x.

| symbol | class | meaning |
|---|---|---|
| A | `LinearOperator` | maps an array of `shape_in` to one of `shape_out` |
| Aᴴ | `A.H` | the adjoint in the plain Euclidean inner product |
| AᴴA | `A.gram` | the normal operator |
"""

from pellucid.operators.linear_operator import Identity, LinearOperator, Scaled, Sum, VerticalStack

__all__ = ["Identity", "LinearOperator", "Scaled", "Sum", "VerticalStack"]
