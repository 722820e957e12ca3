"""scikit-image."""

import numpy as np
from skimage.transform import iradon

PACKAGE = "scikit-image"


def fbp_512x720(inputs):
    degrees = np.rad2deg(inputs["angles_rad"])
    # Of the same head, sampled about the pixel that iradon turns about.
    sinogram = np.ascontiguousarray(inputs["sinogram_about_a_pixel"].T)
    return lambda: iradon(sinogram, theta=degrees, output_size=int(inputs["size"]), circle=True)
