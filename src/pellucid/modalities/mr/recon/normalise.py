"""Normalisation: the receive shading of the coil array, known from a prescan, is divided out.

Combined images carry the array's root sum of squares S(r) = √ Σ_c |(W C)_c|², W the whitening: the weights of an
adaptive combination and ESPIRiT's maps have unit norm over the coils. In the prescan the array sees C m and the body
coil m alone, so that S is the ratio of two images where there is signal (Pruessmann 1999,
doi:10.1002/(SICI)1522-2594(199911)42:5<952::AID-MRM16>3.0.CO;2-S, finds sensitivities so). Scanners call the same
prescan normalise, PURE or CLEAR.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform

from pellucid.errors import InvalidInputError
from pellucid.image import Image, Provenance
from pellucid.modalities.mr.acquisition import KSpace, Prescan
from pellucid.modalities.mr.recon.cartesian import Complex, to_image_space, whitened, whitening_matrix
from pellucid.modalities.mr.recon.combine import root_sum_of_squares
from pellucid.operators import Diagonal, FiniteDifference
from pellucid.parameters import About
from pellucid.solvers import conjugate_gradient, last

Choice = Literal["automatic", "prescan", "off"]
Normalise = Annotated[
    Choice, About("Division by the shading of the coil array, known from a prescan; automatic: where there is one")
]

_STIFFNESS = 0.03
"""Weight of the curvature beside that of a bright voxel: the fit follows what is wider than two or three voxels."""

_ITERATIONS = 200
_TOLERANCE = 1e-4


class Normalisation:
    """Divides images of `raw` by the shading of its coil array, or leaves them as they are.

    Raises `InvalidInputError` where `choice` asks for a prescan that the acquisition does not have.
    """

    def __init__(self, raw: KSpace, choice: Choice) -> None:
        if choice == "prescan" and raw.prescan is None:
            raise InvalidInputError(
                "is prescan, but the acquisition has none of array and body coil; expected automatic or off",
                field="normalise",
            )
        self.prescan = None if choice == "off" else raw.prescan
        self._whitening = whitening_matrix(raw)

    def __call__(self, image: Image) -> Image:
        """`image` without shading; it says so by the fourth value of its ImageType and in its provenance."""
        made = Provenance(operation="reconstruct", parameters={"normalise": "prescan" if self.prescan else "off"})
        if self.prescan is None:
            return image.with_array(image.array, provenance=made)
        to_prescan = np.linalg.inv(self.prescan.affine) @ image.affine
        shading = np.exp(
            affine_transform(
                self._log_shading,
                to_prescan[:3, :3],
                to_prescan[:3, 3],
                output_shape=image.shape,
                order=1,
                mode="nearest",
            )
        )
        kinds = {"ImageType": ["DERIVED", "PRIMARY", "OTHER", "NORM"]}
        return image.with_array(image.array / shading, provenance=made, attributes={**image.attributes, **kinds})

    @cached_property
    def _log_shading(self) -> NDArray[np.float32]:
        assert self.prescan is not None
        return log_shading(self.prescan, self._whitening)


def log_shading(prescan: Prescan, whitening: Complex) -> NDArray[np.float32]:
    """Logarithm of S on the prescan's grid, 0 in the middle of the range that it has in the patient.

    argmin_L Σ w (L − ln(array / body))² + μ ‖∇²L‖² with w the power of the body coil's image, 1 for a bright voxel:
    the error of a logarithm goes as 1 / signal. In air, where there is none, L goes on smoothly.
    """
    array = root_sum_of_squares(to_image_space(whitened(prescan.array, whitening), (1, 2, 3)))
    body = np.abs(to_image_space(prescan.body.copy(), (0, 1, 2)))
    bright = max(float(np.percentile(body, 99)), float(np.finfo(np.float32).tiny))
    weight = np.minimum(body / bright, 1) ** 2
    ratio = np.log(np.maximum(array, 1e-6 * array.max()) / np.maximum(body, 1e-6 * bright))
    ratio -= np.median(ratio[weight > 0.1])
    spacing = [size / min(prescan.voxel_mm) for size in prescan.voxel_mm]
    laplacian = FiniteDifference(body.shape, spacing=spacing).gram
    normal = Diagonal(weight) + _STIFFNESS * (laplacian @ laplacian)
    states = conjugate_gradient(normal, weight * ratio, iterations=_ITERATIONS, tolerance=_TOLERANCE)
    result: NDArray[np.float32] = last(states, total=_ITERATIONS)
    return result
