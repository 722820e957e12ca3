"""Readouts in the order of acquisition → k-space on its encoded grid: what every scanner's format shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import InvalidInputError
from pellucid.modalities.mr.acquisition import MOST_BYTES, KSpace

_LABELS = ("contrast", "phase", "repetition", "set")


@dataclass
class Readouts:
    """Readouts of one acquisition, all with the same coils and samples.

    `data`: complex64 `[readout, coil, sample]`; `index`: integer arrays `[readout]` by name (line, partition, slice,
    contrast, phase, repetition, set); `position`, `directions`: centre of the slice or slab in LPS mm `[readout, 3]`
    and unit vectors (read, phase, slice) `[readout, 3, 3]`; `centre_sample`: index of k = 0 in each readout;
    `trajectory`: `[readout, sample, 2 or 3]` in cycles per encoded pixel along (read, phase, slice).
    """

    data: NDArray[np.complex64]
    index: Mapping[str, NDArray[np.int64]]
    position: NDArray[np.float64]
    directions: NDArray[np.float64]
    centre_sample: int
    trajectory: NDArray[np.float32] | None = None


@dataclass
class Encoding:
    """The encoded grid and the image that is wanted, axes (partition or slice, line, readout) throughout.

    `matrix`: encoded samples; `fov_mm`: encoded field of view; `image_matrix`, `image_fov_mm`: of the image;
    `centre_line`, `centre_partition`: indices of k = 0. `common`: the other fields of the KSpace.
    """

    matrix: tuple[int, int, int]
    fov_mm: tuple[float, float, float]
    image_matrix: tuple[int, int, int]
    image_fov_mm: tuple[float, float, float]
    centre_line: int
    centre_partition: int
    common: dict[str, Any] = field(default_factory=dict)


def assemble(readouts: Readouts, encoding: Encoding, *, file: object) -> list[KSpace]:
    """One KSpace for each contrast, phase, repetition and set, and for each stack of parallel, equidistant slices."""
    if len(readouts.data) == 0:
        raise InvalidInputError("holds no image readouts", file=file, field="data")
    labels = np.stack([readouts.index[name] for name in _LABELS], axis=1)
    kinds = np.unique(labels, axis=0)
    found = []
    for kind in kinds:
        chosen = np.flatnonzero((labels == kind).all(axis=1))
        for stack in _stacks(readouts, chosen):
            names = [
                f"{name} {value + 1}" for name, value in zip(_LABELS, kind, strict=True) if np.ptp(labels, 0).any()
            ]
            found.append(_one(readouts, encoding, stack, file, ", ".join(names), kind[0]))
    return found


def _stacks(readouts: Readouts, chosen: NDArray[np.int64]) -> list[list[NDArray[np.int64]]]:
    """Readouts of each slice, slices grouped into stacks that one affine describes, in order along the normal."""
    slices = [chosen[readouts.index["slice"][chosen] == n] for n in np.unique(readouts.index["slice"][chosen])]
    groups: list[list[NDArray[np.int64]]] = []
    for part in slices:
        turn = readouts.directions[part[0]]
        for group in groups:
            if np.allclose(readouts.directions[group[0][0]], turn, atol=1e-4):
                group.append(part)
                break
        else:
            groups.append([part])
    stacks: list[list[NDArray[np.int64]]] = []
    for group in groups:
        normal = readouts.directions[group[0][0], 2]
        group.sort(key=lambda part: float(readouts.position[part[0]] @ normal))
        places = np.array([readouts.position[part[0]] for part in group])
        steps = np.diff(places, axis=0)
        even = len(group) < 3 or np.allclose(steps, steps[0], atol=0.02 * float(np.linalg.norm(steps[0])) + 1e-3)
        along = np.allclose(np.cross(steps, normal), 0, atol=1e-2)
        stacks += [group] if even and along and (len(group) < 2 or np.any(steps[0])) else [[part] for part in group]
    return stacks


def _one(
    readouts: Readouts,
    encoding: Encoding,
    slices: list[NDArray[np.int64]],
    file: object,
    name: str,
    contrast: np.int64,
) -> KSpace:
    common = dict(encoding.common)
    common["description"] = " ".join(part for part in (common.get("description", ""), name) if part)
    echo_times = common.pop("echo_times_ms", ())
    if echo_times:
        common["echo_time_ms"] = float(echo_times[min(int(contrast), len(echo_times) - 1)])
    three = encoding.matrix[0] > 1
    common["affine"] = _affine(readouts, encoding, slices, three)
    common["encoded_fov_mm"] = encoding.fov_mm
    image = encoding.image_matrix
    common["image_shape"] = (image[0] if three else len(slices), image[1], image[2])
    if readouts.trajectory is not None:
        return _non_cartesian(readouts, encoding, slices, file, common)
    samples, sampled, skipped = _on_grid(readouts, encoding, slices, file)
    return _checked(file, samples=samples, sampled=sampled, skipped_readout_samples=skipped, **common)


def _affine(
    readouts: Readouts,
    encoding: Encoding,
    slices: list[NDArray[np.int64]],
    three: bool,  # noqa: FBT001
) -> NDArray[np.float64]:
    """Image index → LPS: k-space's phase zero, the centre of the field of view, is at index n // 2."""
    first = slices[0][0]
    read, phase, normal = readouts.directions[first]
    voxel = np.array(encoding.image_fov_mm) / np.array(encoding.image_matrix)
    if not three and len(slices) > 1:
        step = (readouts.position[slices[-1][0]] - readouts.position[first]) / (len(slices) - 1)
    else:
        step = normal * voxel[0]
    affine = np.eye(4)
    affine[:3, :3] = np.stack([step, phase * voxel[1], read * voxel[2]], axis=1)
    centre = np.array([encoding.image_matrix[0] // 2 if three else 0, *(n // 2 for n in encoding.image_matrix[1:])])
    affine[:3, 3] = readouts.position[first] - affine[:3, :3] @ centre
    return affine


def _on_grid(
    readouts: Readouts, encoding: Encoding, slices: list[NDArray[np.int64]], file: object
) -> tuple[NDArray[np.complex64], NDArray[np.bool_], int]:
    """Readouts on the encoded grid, those acquired several times averaged; the mask; samples skipped at the start."""
    partitions, lines, length = encoding.matrix
    coils, count = readouts.data.shape[1:]
    start = length // 2 - readouts.centre_sample
    if start < 0 or start + count > length:
        raise InvalidInputError(
            f"has {count} samples with k = 0 at {readouts.centre_sample}; they do not fit the encoded {length}",
            file=file,
            field="centre sample",
        )
    if 8 * len(slices) * coils * partitions * lines * length > MOST_BYTES:
        raise InvalidInputError("is larger than 8 GiB as a grid", file=file, field="matrix size")
    samples = np.zeros((len(slices), coils, partitions, lines, length), np.complex64)
    times = np.zeros((len(slices), partitions, lines), np.float32)
    for number, part in enumerate(slices):
        line = readouts.index["line"][part] - encoding.centre_line + lines // 2
        partition = readouts.index["partition"][part] - encoding.centre_partition + partitions // 2
        for name, values, most in (("line", line, lines), ("partition", partition, partitions)):
            if values.min() < 0 or values.max() >= most:
                raise InvalidInputError(
                    f"is {values.min()} to {values.max()} on a grid of {most} with k = 0 at {most // 2}",
                    file=file,
                    field=name,
                )
        for readout, p, n in zip(part, partition, line, strict=True):
            samples[number, :, p, n, start : start + count] += readouts.data[readout]
            times[number, p, n] += 1
    if np.any((times > 0) != (times[:1] > 0)):
        raise InvalidInputError(
            "differ between slices; expected the same sampled lines in all", file=file, field="lines"
        )
    if times.max() > 1:
        samples /= np.maximum(times, 1)[:, None, :, :, None]
    return samples, (times[0] > 0)[:, :, None], start


def _non_cartesian(
    readouts: Readouts, encoding: Encoding, slices: list[NDArray[np.int64]], file: object, common: dict[str, Any]
) -> KSpace:
    """Trajectories become cycles per metre along the image's slice, row and column axes."""
    assert readouts.trajectory is not None
    first = readouts.trajectory[slices[0]]
    for part in slices[1:]:
        if readouts.trajectory[part].shape != first.shape or not np.allclose(
            readouts.trajectory[part], first, atol=1e-4
        ):
            raise InvalidInputError("differs between slices; expected the same in all", file=file, field="trajectory")
    largest = float(np.abs(first).max())
    if largest > 0.55:
        raise InvalidInputError(
            f"reaches {largest:.3g}; expected -0.5 to 0.5 cycles per encoded pixel", file=file, field="trajectory"
        )
    pixel_m = np.array(encoding.fov_mm) / np.array(encoding.matrix) * 1e-3
    trajectory = np.zeros((*first.shape[:2], 3), np.float32)
    for axis in range(first.shape[2]):
        trajectory[..., 2 - axis] = first[..., axis] / pixel_m[2 - axis]
    samples = np.stack([np.moveaxis(readouts.data[part], 0, 1) for part in slices])[:, :, None]
    return _checked(file, samples=np.ascontiguousarray(samples), trajectory=trajectory, **common)


def _checked(file: object, **parts: Any) -> KSpace:
    """The acquisition; what it refuses is said with the file's name."""
    try:
        return KSpace(**parts)
    except InvalidInputError as error:
        raise InvalidInputError(str(error), file=file) from error
