"""Image: voxels, where they are in the patient, what they measure, and what made them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pellucid.errors import InvalidInputError
from pellucid.study import StudyContext
from pellucid.units import Quantity, quantity

if TYPE_CHECKING:
    import highdicom
    import SimpleITK

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Channel:
    """One axis after the spatial ones: its name, the unit of its values (UCUM), and the value at each index."""

    name: str
    unit: str
    values: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What made an array: the operation, its method and parameters, and what it was made from."""

    operation: str
    method: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    software: str = ""
    parents: tuple[Provenance, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Image:
    """A scalar image in patient coordinates.

    `array`: `[slice, row, column, *channels]`, real or complex. `affine`: 4 × 4, maps the index
    `(slice, row, column, 1)` of a voxel's centre to patient LPS millimetres (x to the left, y to posterior,
    z to the head). `quantity`: what the numbers measure. `channels`: one `Channel` per axis after the third.
    `modality`: DICOM Modality (0008,0060). `attributes`: acquisition parameters by DICOM keyword, in DICOM's
    units, sequences as lists of mappings; what a DICOM object of this image will carry.

    Raises `InvalidInputError` where the parts contradict each other.
    """

    array: NDArray[Any]
    affine: NDArray[np.float64]
    quantity: Quantity
    modality: str = "OT"
    channels: tuple[Channel, ...] = ()
    study: StudyContext = field(default_factory=StudyContext)
    provenance: Provenance = field(default_factory=lambda: Provenance(operation="unknown"))
    description: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.quantity, str):
            object.__setattr__(self, "quantity", quantity(self.quantity))
        affine = np.array(self.affine, dtype=np.float64)
        object.__setattr__(self, "affine", affine)
        if affine.shape != (4, 4) or not np.all(np.isfinite(affine)):
            raise InvalidInputError(f"got {affine.tolist()}; expected a finite 4 x 4 matrix", field="affine")
        if not np.array_equal(affine[3], [0, 0, 0, 1]):
            raise InvalidInputError(f"last row is {affine[3]}; expected 0 0 0 1", field="affine")
        if abs(np.linalg.det(affine[:3, :3])) < 1e-12:
            raise InvalidInputError("is singular: two voxel axes are parallel or a spacing is 0", field="affine")
        if self.array.ndim != 3 + len(self.channels):
            raise InvalidInputError(
                f"has {self.array.ndim} axes; expected slice, row, column and {len(self.channels)} channel axes",
                field="array",
            )
        for axis, channel in enumerate(self.channels, start=3):
            if self.array.shape[axis] != len(channel.values):
                raise InvalidInputError(
                    f"axis {axis} has {self.array.shape[axis]} entries but channel {channel.name!r} "
                    f"has {len(channel.values)} values",
                    field="channels",
                )

    def __repr__(self) -> str:
        spacing = " x ".join(f"{size:.4g}" for size in self.spacing_mm)
        axes = " x ".join(map(str, self.array.shape))
        named = f" {self.description!r}" if self.description else ""
        return f"<Image {self.modality}{named}: {axes} of {spacing} mm, {self.quantity.meaning} [{self.quantity.unit}]>"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows, columns."""
        slices, rows, columns = self.array.shape[:3]
        return slices, rows, columns

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between voxel centres along slice, row and column index."""
        slice_, row, column = (float(v) for v in np.linalg.norm(self.affine[:3, :3], axis=0))
        return slice_, row, column

    @property
    def position_assumed(self) -> bool:
        """Whether the position in the patient is assumed, not known: no side may be named then."""
        return self.study.position_assumed

    @cached_property
    def geometry(self) -> highdicom.VolumeGeometry:
        """The voxel grid as `highdicom.VolumeGeometry` (which has the operations on grids)."""
        import highdicom

        return highdicom.VolumeGeometry(
            affine=self.affine,
            spatial_shape=self.shape,
            coordinate_system="PATIENT",
            frame_of_reference_uid=self.study.frame_of_reference_uid,
        )

    def with_array(self, array: NDArray[Any], **changes: Any) -> Image:
        """The same image with other voxels on the same grid (other fields through `changes`)."""
        return replace(self, array=array, **changes)

    def points_lps_mm(self, index: ArrayLike) -> NDArray[np.float64]:
        """Patient coordinates of (slice, row, column) indices, shape (…, 3)."""
        points: NDArray[np.float64] = np.asarray(index, float) @ self.affine[:3, :3].T + self.affine[:3, 3]
        return points

    def indices_of(self, points_lps_mm: ArrayLike) -> NDArray[np.float64]:
        """Fractional (slice, row, column) indices of patient coordinates, shape (…, 3)."""
        inverse = np.linalg.inv(self.affine)
        indices: NDArray[np.float64] = np.asarray(points_lps_mm, float) @ inverse[:3, :3].T + inverse[:3, 3]
        return indices

    def to_simpleitk(self) -> SimpleITK.Image:
        """The same image for SimpleITK (index order column, row, slice; LPS like ours)."""
        import SimpleITK as sitk

        if self.channels:
            raise InvalidInputError(
                f"has channel axes {[c.name for c in self.channels]}; select one first", field="array"
            )
        image = sitk.GetImageFromArray(np.ascontiguousarray(self.array))
        columns = self.affine[:3, 2::-1]
        spacing = np.linalg.norm(columns, axis=0)
        image.SetSpacing(spacing.tolist())
        image.SetDirection((columns / spacing).ravel().tolist())
        image.SetOrigin(self.affine[:3, 3].tolist())
        return image

    def like_simpleitk(self, image: SimpleITK.Image, **changes: Any) -> Image:
        """An Image with the voxels and grid of a SimpleITK image and everything else from this one."""
        import SimpleITK as sitk

        array = sitk.GetArrayFromImage(image)
        affine = np.eye(4)
        columns = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
        affine[:3, :3] = columns[:, ::-1]
        affine[:3, 3] = image.GetOrigin()
        return replace(self, array=array, affine=affine, channels=(), **changes)

    def affine_ras_xyz(self) -> NDArray[np.float64]:
        """The affine as NIfTI writes it: from (column, row, slice) index to RAS millimetres."""
        reorder = np.eye(4)[:, [2, 1, 0, 3]]
        result: NDArray[np.float64] = _LPS_TO_RAS @ self.affine @ reorder
        return result


def resample(image: Image, affine: NDArray[np.float64], shape: tuple[int, int, int], *, outside: float = 0.0) -> Image:
    """Image on another grid of the same patient frame, linearly interpolated; `outside` fills beyond the edge."""
    from scipy.ndimage import affine_transform

    to_source = np.linalg.inv(image.affine) @ np.asarray(affine, float)
    array = affine_transform(
        image.array, to_source[:3, :3], to_source[:3, 3], output_shape=shape, order=1, mode="constant", cval=outside
    )
    return replace(image, array=array, affine=affine)


def axial_affine(
    shape: tuple[int, int, int], spacing_mm: tuple[float, float, float], centre_lps_mm: ArrayLike = (0.0, 0.0, 0.0)
) -> NDArray[np.float64]:
    """Affine of an axial grid whose centre is at `centre_lps_mm`.

    Slices go to the head, rows to posterior, columns to the patient's left; `spacing_mm` is (slice, row, column).
    """
    affine = np.eye(4)
    affine[:3, :3] = np.array([[0, 0, spacing_mm[2]], [0, spacing_mm[1], 0], [spacing_mm[0], 0, 0]], float)
    middle = (np.array(shape, float) - 1) / 2
    affine[:3, 3] = np.asarray(centre_lps_mm, float) - affine[:3, :3] @ middle
    return affine
