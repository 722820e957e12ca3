"""ASTRA Toolbox on the CPU (GPL-3: comparison only)."""

import astra
import numpy as np

PACKAGE = "astra-toolbox"


def _setup(inputs, slices):
    size, detectors = int(inputs["size"]), int(inputs["detectors"])
    angles = inputs["angles_rad"]
    volume = astra.create_vol_geom(size, size)
    projection = astra.create_proj_geom("parallel", 1.0, detectors, angles)
    projector = astra.create_projector("linear", projection, volume)
    return volume, projection, projector, slices


def _fbp(inputs, sinograms):
    volume, projection, projector, _ = _setup(inputs, len(sinograms))

    def run():
        pictures = []
        for sinogram in sinograms:
            data = astra.data2d.create("-sino", projection, sinogram)
            picture = astra.data2d.create("-vol", volume)
            settings = astra.astra_dict("FBP")
            settings.update(ProjectorId=projector, ProjectionDataId=data, ReconstructionDataId=picture)
            algorithm = astra.algorithm.create(settings)
            astra.algorithm.run(algorithm)
            pictures.append(astra.data2d.get(picture))
            astra.algorithm.delete(algorithm)
            astra.data2d.delete([data, picture])
        return np.stack(pictures)

    return run


def fbp_512x720(inputs):
    run = _fbp(inputs, inputs["sinogram"][None])
    return lambda: run()[0]


def fbp_stack_16(inputs):
    return _fbp(inputs, inputs["sinograms"])


def forward_512x720(inputs):
    _, projection, projector, _ = _setup(inputs, 1)
    volume = astra.create_vol_geom(int(inputs["size"]), int(inputs["size"]))

    def run():
        picture = astra.data2d.create("-vol", volume, inputs["image"])
        data = astra.data2d.create("-sino", projection)
        settings = astra.astra_dict("FP")
        settings.update(ProjectorId=projector, ProjectionDataId=data, VolumeDataId=picture)
        algorithm = astra.algorithm.create(settings)
        astra.algorithm.run(algorithm)
        result = astra.data2d.get(data)
        astra.algorithm.delete(algorithm)
        astra.data2d.delete([data, picture])
        return result

    return run
