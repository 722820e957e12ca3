"""Make src/pellucid/anatomy/data/head_labels.npz: a label map of a head from openly licensed templates.

    python tools/make_head_labels.py --t1 T1 --grey GM --white WM --head HEAD --output head_labels.npz

T1, GM, WM: the MNI ICBM152 2009a symmetric brain (T1, grey and white matter) as nilearn carries it. HEAD: the
whole-head mean T1 that pydeface carries (mean_reg2mean.nii.gz). The brain comes from the first three; skull, skin,
fat, muscle, eyes and air spaces come from HEAD, laid over the brain by an affine registration. Bone and air are both
dark in T1, so which one a dark region is, is decided by where it is.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage as nd

Mask = NDArray[np.bool_]
Volume = NDArray[np.float32]

ORIGIN_LPS_MM = (-106.0, -110.0, -128.0)
SHAPE_XYZ = (213, 246, 241)
NAMES = (
    "air",
    "skin",
    "adipose",
    "muscle",
    "cortical_bone",
    "spongiosa",
    "csf",
    "ventricular_csf",
    "grey_matter",
    "white_matter",
    "thalamus",
    "basal_ganglia",
    "vitreous_humour",
    "eye_lens",
    "sinus_air",
    "tumour",
    "tumour_necrosis",
    "oedema",
    "fiducial_marker",
)
LABEL = {name: i for i, name in enumerate(NAMES)}

# The mean head's vertex is this much higher above the brain than its sides are; taken out by a quadratic in z.
VERTEX_STRETCH_MM, VERTEX_Z_MM = 8.0, 75.0

# Intensities of the mean head: half-way from air to skin, from bone to scalp fat, from muscle to fat; bone and air.
SKIN, SCALP, FAT, DARK, AIR = 105.0, 225.0, 250.0, 125.0, 95.0

# Between grey and white matter in the MNI T1: the brain stem is white by this, its grey probability misleads.
STEM = 175.0

SKIN_MM, CSF_MM, BONE_MM = 2.0, 2.2, 4.0


class Grid:
    """The output grid: patient coordinates that broadcast over [z, y, x], and templates sampled on it."""

    def __init__(self) -> None:
        self.reference = sitk.Image(SHAPE_XYZ, sitk.sitkFloat32)
        self.reference.SetOrigin(ORIGIN_LPS_MM)
        x, y, z = (o + np.arange(n) for o, n in zip(ORIGIN_LPS_MM, SHAPE_XYZ, strict=True))
        self.x, self.y, self.z = x[None, None, :], y[None, :, None], z[:, None, None]

    def sample(self, image: sitk.Image, transform: sitk.Transform | None = None) -> Volume:
        """An image on the grid; outside it is 0."""
        moved = sitk.Resample(image, self.reference, transform or sitk.Transform(), sitk.sitkLinear, 0.0)
        return sitk.GetArrayFromImage(moved)

    def ellipsoid(self, centre: tuple[float, float, float], semi_axes: tuple[float, float, float]) -> Mask:
        """Voxels in an ellipsoid along the patient axes."""
        parts = [((c - m) / s) ** 2 for c, m, s in zip((self.x, self.y, self.z), centre, semi_axes, strict=True)]
        return parts[0] + parts[1] + parts[2] <= 1

    def box(self, x: tuple[float, float], y: tuple[float, float], z: tuple[float, float]) -> Mask:
        """Voxels in a box; x is the distance from the midline."""
        inside = [(c >= a) & (c <= b) for c, (a, b) in ((abs(self.x), x), (self.y, y), (self.z, z))]
        return inside[0] & inside[1] & inside[2]


def ball(radius: int) -> Mask:
    """A structuring element."""
    steps = np.arange(-radius, radius + 1)
    return steps[:, None, None] ** 2 + steps[:, None] ** 2 + steps**2 <= radius**2 + 0.5


def distance_from(mask: Mask) -> Volume:
    """Distance [mm] of every voxel from a mask."""
    return nd.distance_transform_edt(~mask).astype(np.float32)


def closed(mask: Mask, radius: float) -> Mask:
    """Morphological closing by a ball; the grid's lower end does not count as outside."""
    width = int(radius) + 2
    padded = np.pad(mask, ((width, 0), (0, 0), (0, 0)), mode="edge")
    padded = np.pad(padded, ((0, width), (width, width), (width, width)))
    grown = distance_from(padded) <= radius
    shrunk = nd.distance_transform_edt(grown) > radius
    return shrunk[width:-width, width:-width, width:-width]


def largest(mask: Mask) -> Mask:
    """The largest connected part."""
    parts, count = nd.label(mask)
    if count == 0:
        return mask
    return parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))


def smooth(mask: Mask, sigma: float = 1.0) -> Mask:
    """A mask without steps and specks."""
    return nd.gaussian_filter(mask.astype(np.float32), sigma) > 0.5


def register(brain: sitk.Image, head: sitk.Image) -> sitk.Transform:
    """Affine map from the brain's to the head's coordinates by mutual information inside the brain."""
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(40)
    method.SetMetricFixedMask(sitk.BinaryDilate(brain > 30, [1, 1, 1]))
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(0.15, 1)
    method.SetInterpolator(sitk.sitkLinear)
    start = sitk.AffineTransform(3)
    start.SetCenter((0.0, 18.0, 10.0))
    start.Scale(0.92)
    start.SetTranslation((0.0, -12.0, -8.0))
    method.SetInitialTransform(start, True)
    method.SetOptimizerAsRegularStepGradientDescent(1.0, 1e-6, 300, relaxationFactor=0.7)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([4, 2, 1])
    method.SetSmoothingSigmasPerLevel([4, 2, 1])
    method.Execute(brain, head)
    return start


def vertex_stretch(grid: Grid) -> sitk.Transform:
    """Moves the upper head down onto the brain: z → z + c (z / z0)² above z = 0."""
    z = np.broadcast_to(grid.z, SHAPE_XYZ[::-1])
    shift = np.zeros((*SHAPE_XYZ[::-1], 3))
    shift[..., 2] = VERTEX_STRETCH_MM * (np.clip(z, 0, None) / VERTEX_Z_MM) ** 2
    field = sitk.GetImageFromArray(shift, isVector=True)
    field.CopyInformation(grid.reference)
    return sitk.DisplacementFieldTransform(sitk.Cast(field, sitk.sitkVectorFloat64))


def head_surface(head: Volume, brain: Mask) -> Mask:
    """Everything inside the skin, closed."""
    solid = nd.binary_opening(nd.gaussian_filter(head, 1.0) > SKIN, ball(3))
    solid = largest(solid | (distance_from(brain) <= CSF_MM + BONE_MM + 4))
    solid = closed(solid, 9)
    filled = np.stack([nd.binary_fill_holes(plane) for plane in solid])
    return smooth(largest(nd.binary_opening(filled, ball(4))), 1.5)


def label_brain(labels: NDArray[np.uint8], brain: Mask, t1: Volume, grey: Volume, white: Volume, grid: Grid) -> None:
    """Grey, white, deep grey and CSF inside the brain's outline."""
    tissue = grey + white > 115
    depth = nd.distance_transform_edt(closed(brain, 6))
    labels[brain] = LABEL["csf"]
    fluid = brain & ~tissue & (depth > 9) & grid.box((0, 42), (-45, 62), (-55, 32))
    cisterns = (
        grid.box((0, 16), (34, 70), (-20, 40))
        | grid.box((0, 4), (-60, 70), (20, 40))
        | grid.box((0, 4), (-60, -34), (-20, 40))
    )
    cisterns |= grid.box((0, 42), (-60, 5), (-60, -12))
    fluid &= ~cisterns & (grid.z + 0.6 * abs(grid.y - 40) > -62)
    labels[fluid] = LABEL["ventricular_csf"]
    labels[brain & tissue] = LABEL["white_matter"]
    stem = grid.box((0, 17), (8, 44), (-90, -9)) & (t1 > STEM)
    labels[brain & tissue & (grey > white) & ~stem] = LABEL["grey_matter"]
    deep = brain & tissue & (grey > 0.7 * white)
    putamen = grid.ellipsoid((24, -1, 1), (9.5, 21, 13)) | grid.ellipsoid((-24, -1, 1), (9.5, 21, 13))
    caudate = grid.ellipsoid((13, -8, 10), (8, 20, 16)) | grid.ellipsoid((-13, -8, 10), (8, 20, 16))
    ganglia = putamen | caudate
    thalamus = grid.ellipsoid((11, 18, 8), (12, 17, 12)) | grid.ellipsoid((-11, 18, 8), (12, 17, 12))
    labels[smooth(deep & ganglia & ~thalamus, 0.7)] = LABEL["basal_ganglia"]
    labels[smooth(deep & thalamus, 1.0)] = LABEL["thalamus"]


def skull(head: Volume, body: Mask, brain: Mask, grid: Grid) -> tuple[Mask, Mask]:
    """Bone around the brain, and the CSF between the two."""
    outline = closed(brain, 5)
    away = distance_from(outline)
    depth = nd.distance_transform_edt(np.pad(body, ((1, 0), (0, 0), (0, 0)), mode="edge"))[1:]
    fluid = (away > 0) & (away <= CSF_MM)
    foramen = (np.hypot(grid.x, grid.y - 45) <= 13) & (grid.z < -58)
    shell = (away > CSF_MM) & (away <= CSF_MM + BONE_MM) & ~foramen
    # Thick where the frontal sinus, the vertex and the occipital protuberance are; thin under the temporal muscle.
    front = np.exp(-(((grid.y + 75) / 18) ** 2) - (grid.x / 28) ** 2)
    back = np.exp(-(((grid.y - 108) / 18) ** 2) - (grid.x / 20) ** 2)
    top = np.exp(-(((grid.z - 85) / 20) ** 2))
    reach = CSF_MM + 6.5 + 6 * front + 4 * back + 3 * top
    vault = grid.z > -42 + np.clip(-0.3 * grid.y, -12, 20)
    band = vault & (away > CSF_MM) & (away <= reach) & (depth > 3.5)
    dark = nd.gaussian_filter(head, 0.7) < SCALP
    bone = shell | smooth(band & dark, 1.2)
    return (bone & body & (depth > 2.5)) | (shell & body), fluid & body


def air_spaces(head: Volume, body: Mask, bone: Mask, grid: Grid) -> Mask:
    """Nose, sinuses and pharynx: dark regions at their places."""
    soft = nd.gaussian_filter(head, 0.8)
    depth = nd.distance_transform_edt(body)
    septum = (abs(grid.x) <= 1) & (grid.y < -8)
    nose = grid.box((0, 17), (-72, 2), (-62, -30)) & (soft < AIR)
    nose |= grid.box((0, 12), (-70, 2), (-86, -56)) & (head < 150)
    maxillary = grid.box((13, 44), (-62, -8), (-96, -50)) & (soft < AIR)
    pharynx = grid.box((0, 17), (-10, 24), (-128, -60)) & (soft < AIR + 15)
    frontal = grid.box((2, 14), (-90, -72), (-36, 4)) & (soft < AIR)
    mastoid = distance_from(~(grid.box((38, 62), (12, 46), (-58, -28)) & (soft < 60))) > 3
    air = ((nose & ~septum) | maxillary | pharynx | frontal) & (depth > 4) & ~(distance_from(body & bone) <= 0)
    cells = mastoid & (depth > 8)
    return smooth(air, 0.8) | smooth(cells, 0.8)


def label_outside_brain(labels: NDArray[np.uint8], head: Volume, body: Mask, brain: Mask, grid: Grid) -> None:
    """Scalp, skull, face and neck."""
    soft = nd.gaussian_filter(head, 0.8)
    depth = nd.distance_transform_edt(np.pad(body, ((1, 0), (0, 0), (0, 0)), mode="edge"))[1:]
    labels[body] = LABEL["muscle"]
    around = nd.gaussian_filter(np.where(body, soft, 0), 14) / np.maximum(
        nd.gaussian_filter(body.astype(np.float32), 14), 0.05
    )
    labels[smooth(body & (soft > FAT) & ((depth < 8) | (soft > 1.12 * around)), 0.8)] = LABEL["adipose"]
    vault_bone, fluid = skull(head, body, brain, grid)
    air = air_spaces(head, body, brain | fluid, grid)
    face = smooth(body & (soft < DARK) & (depth > 6) & (distance_from(brain) > CSF_MM) & (grid.y < 55), 1.0)
    walls = (distance_from(air) <= 1.6) & (depth > 4) & (grid.z > -100) & (grid.y < 5)
    bone = (vault_bone | (face & (grid.z > -124)) | walls) & ~air & body
    spine(labels, grid, body)
    place_bone(labels, bone, thickness=2.0)
    labels[fluid] = LABEL["csf"]
    labels[air & body & ~brain & ~fluid] = LABEL["sinus_air"]
    scalp = body & (depth > SKIN_MM) & ~bone & (grid.z > 5) & (distance_from(brain) > 5)
    temporal = grid.box((50, 110), (-70, 30), (-128, 35)) & (soft < 280)
    labels[scalp & (labels == LABEL["muscle"]) & (soft > 150) & ~temporal] = LABEL["adipose"]
    labels[scalp & (labels == LABEL["adipose"]) & temporal & (depth > 6)] = LABEL["muscle"]
    labels[body & (depth <= SKIN_MM)] = LABEL["skin"]


def place_bone(labels: NDArray[np.uint8], bone: Mask, *, thickness: float) -> None:
    """Cortical bone with marrow where it is thick enough."""
    inside = nd.distance_transform_edt(bone)
    labels[bone] = LABEL["cortical_bone"]
    labels[bone & (inside > thickness)] = LABEL["spongiosa"]


def spine(labels: NDArray[np.uint8], grid: Grid, body: Mask) -> None:
    """The cord in its canal, with vertebral bodies before it and arches around it."""
    middle = 45 + (grid.z + 72) * -0.14
    radius = np.hypot(grid.x, grid.y - middle)
    below = body & (grid.z < -64)
    disc = np.mod(grid.z + 128, 19) < 4
    vertebra = (grid.x / 13) ** 2 + ((grid.y - middle + 20) / 10) ** 2 <= 1
    arch = (radius <= 14) & (radius > 10)
    bone = below & (grid.z < -72) & ~disc & (vertebra | arch)
    place_bone(labels, bone, thickness=1.5)
    labels[below & (grid.z < -60) & (radius <= 10)] = LABEL["csf"]
    labels[below & (radius <= 6)] = LABEL["white_matter"]


def place_eyes(labels: NDArray[np.uint8], head: Volume, body: Mask, grid: Grid) -> None:
    """Balls of 12 mm radius at the dark discs of the orbits, each with a lens."""
    search = nd.gaussian_filter(head, 3.0)
    for side in (-1, 1):
        region = grid.box((24, 40), (-68, -54), (-50, -36)) & (np.sign(grid.x) == side)
        weight = np.where(region, np.clip(150 - search, 0, None), 0)
        cz, cy, cx = nd.center_of_mass(weight)
        x, y, z = (o + c for o, c in zip(ORIGIN_LPS_MM, (cx, cy, cz), strict=True))
        print(f"eye at {x:.1f} {y:.1f} {z:.1f}")
        depth = nd.distance_transform_edt(body)
        labels[grid.ellipsoid((x, y, z), (12.8, 12.8, 12.8)) & (depth > SKIN_MM)] = LABEL["muscle"]
        labels[grid.ellipsoid((x, y, z), (12, 12, 12)) & (depth > SKIN_MM)] = LABEL["vitreous_humour"]
        labels[grid.ellipsoid((x, y - 7.5, z), (4.6, 2.2, 4.6)) & (depth > SKIN_MM)] = LABEL["eye_lens"]


def without_specks(labels: NDArray[np.uint8], smallest: int) -> NDArray[np.uint8]:
    """Parts of fewer voxels become what most of their neighbours are."""
    speck = np.zeros(labels.shape, bool)
    for value in np.unique(labels):
        parts, _ = nd.label(labels == value)
        sizes = np.bincount(parts.ravel())
        sizes[0] = smallest
        speck |= (sizes < smallest)[parts]
    nearest = nd.distance_transform_edt(speck, return_distances=False, return_indices=True)
    return labels[tuple(nearest)]


def make(t1: sitk.Image, grey: sitk.Image, white: sitk.Image, head: sitk.Image) -> NDArray[np.uint8]:
    """The label map."""
    grid = Grid()
    transform = sitk.CompositeTransform([register(t1, head), vertex_stretch(grid)])
    whole = grid.sample(head, transform)
    outline = nd.binary_fill_holes(nd.binary_closing(grid.sample(t1) > 30, ball(2)))
    brain = smooth(largest(nd.binary_opening(outline, ball(2))), 0.6)
    body = head_surface(whole, brain)
    labels = np.zeros(body.shape, np.uint8)
    label_outside_brain(labels, whole, body, brain, grid)
    place_eyes(labels, whole, body, grid)
    label_brain(labels, brain, grid.sample(t1), grid.sample(grey), grid.sample(white), grid)
    return without_specks(labels, 25)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("t1", "grey", "white", "head", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    given = parser.parse_args()
    images = [sitk.ReadImage(str(path), sitk.sitkFloat32) for path in (given.t1, given.grey, given.white, given.head)]
    labels = make(*images)
    np.savez_compressed(
        given.output, labels=labels, origin_lps_mm=ORIGIN_LPS_MM, spacing_mm=(1.0, 1.0, 1.0), names=NAMES
    )
    for name, value in LABEL.items():
        print(f"{name:18s} {np.count_nonzero(labels == value) / 1000:9.1f} ml")


if __name__ == "__main__":
    main()
