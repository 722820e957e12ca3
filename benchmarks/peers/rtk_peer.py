"""RTK (Reconstruction Toolkit) on the CPU."""

import itk
import numpy as np
from itk import RTK as rtk

PACKAGE = "itk-rtk"


def fdk_128(inputs):
    projections = np.ascontiguousarray(inputs["projections"], np.float32)  # view, row, column
    spacing, size, voxel = float(inputs["detector_spacing_mm"]), int(inputs["size"]), float(inputs["voxel_mm"])
    geometry = rtk.ThreeDCircularProjectionGeometry.New()
    for angle in np.rad2deg(inputs["angles_rad"]):
        geometry.AddProjection(float(inputs["source_isocentre_mm"]), float(inputs["source_detector_mm"]), float(angle))
    image_type = itk.Image[itk.F, 3]

    def run():
        stack = itk.image_from_array(projections)
        rows, columns = projections.shape[1:]
        stack.SetSpacing([spacing, spacing, 1.0])
        stack.SetOrigin([-(columns - 1) / 2 * spacing, -(rows - 1) / 2 * spacing, 0.0])
        source = rtk.ConstantImageSource[image_type].New()
        source.SetOrigin([-(size - 1) / 2 * voxel] * 3)
        source.SetSpacing([voxel] * 3)
        source.SetSize([size] * 3)
        source.SetConstant(0.0)
        fdk = rtk.FDKConeBeamReconstructionFilter[image_type].New()
        fdk.SetInput(0, source.GetOutput())
        fdk.SetInput(1, stack)
        fdk.SetGeometry(geometry)
        fdk.Update()
        return itk.array_from_image(fdk.GetOutput()).swapaxes(0, 1)  # its second axis is that of rotation

    return run
