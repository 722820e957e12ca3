"""Line integrals through voxels: whole sinograms fast, any lines in general."""

from pellucid.modalities.nuclear.projectors.grid import Grid
from pellucid.modalities.nuclear.projectors.line_projector import LineProjector
from pellucid.modalities.nuclear.projectors.sinogram_projector import SinogramProjector

__all__ = ["Grid", "LineProjector", "SinogramProjector"]
