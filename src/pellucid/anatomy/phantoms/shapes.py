"""Convex shapes with exact ray integrals and exact Fourier transforms, in two and three dimensions.

Points are patient LPS millimetres, (x, y) or (x, y, z); arrays of points are (…, d). A ray is the whole line
`origin + t · direction`, `direction` of any length but 0. Fourier transforms follow
F(k) = ∫ exp(−2πi k·r) dr with k in cycles/mm, so F(0) is the shape's area [mm2] or volume [mm3].
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import j1, spherical_jn

from pellucid.errors import InvalidInputError, UnsupportedError

Array = NDArray[np.float64]


def rotation_2d(angle_deg: float) -> Array:
    """Rotation in the plane by an angle from +x towards +y; its columns are the turned axes."""
    c, s = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
    return np.array([[c, -s], [s, c]])


def rotation_3d(angle_deg: float, axis: int = 2) -> Array:
    """Rotation about one patient axis (0 = x, 1 = y, 2 = z) by the right-hand rule."""
    result = np.eye(3)
    first, second = (axis + 1) % 3, (axis + 2) % 3
    result[np.ix_([first, second], [first, second])] = rotation_2d(angle_deg)
    return result


class Shape(ABC):
    """A convex body about `centre_mm` whose own axes are the columns of `rotation`."""

    def __init__(self, *, centre_mm: ArrayLike, rotation: ArrayLike | None = None) -> None:
        self.centre_mm: Array = np.asarray(centre_mm, float)
        size = self.centre_mm.size
        self.rotation: Array = np.eye(size) if rotation is None else np.asarray(rotation, float)
        if self.centre_mm.shape not in ((2,), (3,)):
            raise InvalidInputError(f"is {self.centre_mm.shape}; expected (x, y) or (x, y, z)", field="centre_mm")
        turn = self.rotation
        if turn.shape != (size, size) or not np.allclose(turn.T @ turn, np.eye(size), atol=1e-9):
            raise InvalidInputError(f"must be an orthogonal {size} x {size} matrix", field="rotation")

    @abstractmethod
    def _contains(self, own: Array) -> NDArray[np.bool_]:
        """Whether points in the shape's own frame are inside."""

    @abstractmethod
    def _interval(self, origins: Array, directions: Array) -> tuple[Array, Array]:
        """Ray parameters of entry and exit in the own frame; entry > exit where the ray misses."""

    @abstractmethod
    def _fourier(self, k: Array) -> Array:
        """Fourier transform in the own frame, where the shape is symmetric about 0 and so it is real."""

    @abstractmethod
    def _reach(self) -> Array:
        """Half the size of a box in the own frame that holds the shape."""

    def contains(self, points_mm: ArrayLike) -> NDArray[np.bool_]:
        """Whether points (…, d) are inside, shape (…)."""
        return self._contains((np.asarray(points_mm, float) - self.centre_mm) @ self.rotation)

    def interval(self, origins_mm: ArrayLike, directions: ArrayLike) -> tuple[Array, Array]:
        """Ray parameters of entry and exit, shape (…); entry > exit where the ray misses."""
        origins = (np.asarray(origins_mm, float) - self.centre_mm) @ self.rotation
        along = np.asarray(directions, float) @ self.rotation
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            return self._interval(*np.broadcast_arrays(origins, along))

    def chord_mm(self, origins_mm: ArrayLike, directions: ArrayLike) -> Array:
        """Length of each ray inside the shape [mm], shape (…)."""
        entry, leave = self.interval(origins_mm, directions)
        length = np.linalg.norm(np.asarray(directions, float), axis=-1)
        chord: Array = np.where(entry < leave, leave - entry, 0.0) * length
        return chord

    def fourier(self, k_per_mm: ArrayLike) -> NDArray[np.complex128]:
        """F(k) [mm^d] at spatial frequencies (…, d) in cycles/mm, shape (…)."""
        k = np.asarray(k_per_mm, float)
        shift: NDArray[np.complex128] = np.exp(-2j * np.pi * (k @ self.centre_mm))
        return shift * self._fourier(k @ self.rotation)

    def bounds_mm(self) -> tuple[Array, Array]:
        """Lowest and highest corner of a patient-aligned box that holds the shape."""
        reach = np.abs(self.rotation) @ self._reach()
        return self.centre_mm - reach, self.centre_mm + reach

    def least_width_mm(self) -> float:
        """The least width of a box along the own axes that holds the shape."""
        return 2 * float(np.min(self._reach()))

    @property
    def dimensions(self) -> int:
        """2 or 3."""
        return int(self.centre_mm.size)


class Ellipsoid(Shape):
    """An ellipse (2-D) or ellipsoid (3-D) by its semi-axes: |A⁻¹ Rᵀ (r − c)| ≤ 1."""

    def __init__(self, *, centre_mm: ArrayLike, semi_axes_mm: ArrayLike, rotation: ArrayLike | None = None) -> None:
        super().__init__(centre_mm=centre_mm, rotation=rotation)
        self.semi_axes_mm = _lengths(semi_axes_mm, self.dimensions, "semi_axes_mm")

    def _contains(self, own: Array) -> NDArray[np.bool_]:
        inside: NDArray[np.bool_] = np.sum((own / self.semi_axes_mm) ** 2, axis=-1) <= 1
        return inside

    def _interval(self, origins: Array, directions: Array) -> tuple[Array, Array]:
        return _unit_ball_interval(origins / self.semi_axes_mm, directions / self.semi_axes_mm)

    def _fourier(self, k: Array) -> Array:
        x = 2 * np.pi * np.linalg.norm(k * self.semi_axes_mm, axis=-1)
        if self.dimensions == 2:
            # 2πab J1(x)/x
            return 2 * np.pi * np.prod(self.semi_axes_mm) * _over(j1(x), x, 0.5)
        # 4πabc j1(x)/x with the spherical Bessel function
        return 4 * np.pi * np.prod(self.semi_axes_mm) * _over(spherical_jn(1, x), x, 1 / 3)

    def _reach(self) -> Array:
        return self.semi_axes_mm


class Cylinder(Shape):
    """An elliptic cylinder: two semi-axes across and a length along its own third axis."""

    def __init__(
        self, *, centre_mm: ArrayLike, semi_axes_mm: ArrayLike, length_mm: float, rotation: ArrayLike | None = None
    ) -> None:
        super().__init__(centre_mm=centre_mm, rotation=rotation)
        if self.dimensions != 3:
            raise InvalidInputError("a cylinder has three dimensions", field="centre_mm")
        self.semi_axes_mm = _lengths(semi_axes_mm, 2, "semi_axes_mm")
        self.length_mm = float(_lengths(length_mm, 1, "length_mm")[0])

    def _contains(self, own: Array) -> NDArray[np.bool_]:
        across = np.sum((own[..., :2] / self.semi_axes_mm) ** 2, axis=-1) <= 1
        inside: NDArray[np.bool_] = across & (np.abs(own[..., 2]) <= self.length_mm / 2)
        return inside

    def _interval(self, origins: Array, directions: Array) -> tuple[Array, Array]:
        across = _unit_ball_interval(origins[..., :2] / self.semi_axes_mm, directions[..., :2] / self.semi_axes_mm)
        along = _slab_interval(origins[..., 2], directions[..., 2], self.length_mm / 2)
        return np.maximum(across[0], along[0]), np.minimum(across[1], along[1])

    def _fourier(self, k: Array) -> Array:
        x = 2 * np.pi * np.linalg.norm(k[..., :2] * self.semi_axes_mm, axis=-1)
        disc = 2 * np.pi * np.prod(self.semi_axes_mm) * _over(j1(x), x, 0.5)
        result: Array = disc * self.length_mm * np.sinc(k[..., 2] * self.length_mm)
        return result

    def _reach(self) -> Array:
        return np.array([*self.semi_axes_mm, self.length_mm / 2])


class Box(Shape):
    """A rectangle (2-D) or box (3-D) by its edge lengths."""

    def __init__(self, *, centre_mm: ArrayLike, size_mm: ArrayLike, rotation: ArrayLike | None = None) -> None:
        super().__init__(centre_mm=centre_mm, rotation=rotation)
        self.size_mm = _lengths(size_mm, self.dimensions, "size_mm")

    def _contains(self, own: Array) -> NDArray[np.bool_]:
        inside: NDArray[np.bool_] = np.all(np.abs(own) <= self.size_mm / 2, axis=-1)
        return inside

    def _interval(self, origins: Array, directions: Array) -> tuple[Array, Array]:
        entry, leave = _slab_interval(origins, directions, self.size_mm / 2)
        return entry.max(axis=-1), leave.min(axis=-1)

    def _fourier(self, k: Array) -> Array:
        result: Array = np.prod(self.size_mm * np.sinc(k * self.size_mm), axis=-1)
        return result

    def _reach(self) -> Array:
        return self.size_mm / 2


class Clipped(Shape):
    """What lies in another shape and below every plane: n · (r − c) ≤ d, with c this shape's centre.

    Its Fourier transform has no closed form here; `fourier` raises `UnsupportedError`.
    """

    def __init__(self, *, centre_mm: ArrayLike, shape: Shape, planes: Sequence[tuple[Sequence[float], float]]) -> None:
        super().__init__(centre_mm=centre_mm)
        self.shape = shape
        self.planes = tuple(planes)

    def _contains(self, own: Array) -> NDArray[np.bool_]:
        inside = self.shape.contains(own + self.centre_mm)
        for normal, offset in self.planes:
            inside &= own @ np.asarray(normal, float) <= offset
        return inside

    def _interval(self, origins: Array, directions: Array) -> tuple[Array, Array]:
        entry, leave = self.shape.interval(origins + self.centre_mm, directions)
        for normal, offset in self.planes:
            slope, rest = directions @ np.asarray(normal, float), offset - origins @ np.asarray(normal, float)
            crossing = rest / slope
            entry = np.where(slope < 0, np.maximum(entry, crossing), entry)
            leave = np.where(slope > 0, np.minimum(leave, crossing), leave)
            leave = np.where((slope == 0) & (rest < 0), -np.inf, leave)
        return entry, leave

    def _fourier(self, k: Array) -> Array:
        raise UnsupportedError(f"no closed form of it is known (at {k.shape} frequencies)", field="Fourier transform")

    def bounds_mm(self) -> tuple[Array, Array]:
        """The shape's own bounds, cut by the planes that stand across an axis."""
        low, high = (corner.copy() for corner in self.shape.bounds_mm())
        for normal, offset in self.planes:
            across = np.flatnonzero(normal)
            if across.size == 1:
                axis, step = int(across[0]), float(normal[across[0]])
                face = high if step > 0 else low
                cut = self.centre_mm[axis] + offset / step
                face[axis] = min(face[axis], cut) if step > 0 else max(face[axis], cut)
        return low, high

    def _reach(self) -> Array:
        low, high = self.bounds_mm()
        reach: Array = np.maximum(np.abs(low - self.centre_mm), np.abs(high - self.centre_mm))
        return reach


def _lengths(given: ArrayLike, count: int, field: str) -> Array:
    """`count` positive lengths from one or as many numbers."""
    values = np.asarray(given, float)
    if values.shape not in ((), (count,)) or not np.all(values > 0):
        raise InvalidInputError(f"is {given!r}; expected {count} lengths > 0", field=field)
    return values * np.ones(count)


def _over(numerator: Array, x: Array, limit: float) -> Array:
    """The ratio numerator / x, and its limit at 0."""
    near = x < 1e-8
    return np.where(near, limit, numerator / np.where(near, 1.0, x))


def _unit_ball_interval(origins: Array, directions: Array) -> tuple[Array, Array]:
    """Where lines are in the unit ball, from the point of the line nearest to its middle (no cancellation)."""
    squared = np.sum(directions**2, axis=-1)
    nearest = -np.sum(origins * directions, axis=-1) / squared
    miss = np.sum((origins + nearest[..., None] * directions) ** 2, axis=-1)
    half = np.sqrt(np.maximum(1 - miss, 0) / squared)
    inside_for_ever = (squared == 0) & (np.sum(origins**2, axis=-1) <= 1)
    entry = np.where(inside_for_ever, -np.inf, nearest - half)
    leave = np.where(inside_for_ever, np.inf, nearest + half)
    misses = ~inside_for_ever & ~(miss < 1)
    return np.where(misses, np.inf, entry), np.where(misses, -np.inf, leave)


def _slab_interval(origins: Array, directions: Array, half: ArrayLike) -> tuple[Array, Array]:
    """Where lines are in |coordinate| ≤ half, one coordinate at a time."""
    half = np.asarray(half, float)
    first, second = (-half - origins) / directions, (half - origins) / directions
    still = directions == 0
    inside = np.abs(origins) <= half
    entry = np.where(still, np.where(inside, -np.inf, np.inf), np.minimum(first, second))
    leave = np.where(still, np.where(inside, np.inf, -np.inf), np.maximum(first, second))
    return entry, leave
