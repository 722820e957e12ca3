"""A Monte Carlo of single scatter: photons followed one by one, sharing no code with the model."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.special import ndtr

from pellucid.modalities.nuclear.scanner import Scanner

Array = NDArray[Any]

"""Water ball of radius BALL_MM at the centre, attenuation MU per mm; source ball off its centre."""

SCANNER = Scanner(
    name="ring", rings=40, crystals_per_ring=200, ring_pitch_mm=6.0, inner_radius_mm=300.0, interaction_depth_mm=0.0,
    radial_bins=141, energy_resolution=0.15, energy_window_kev=(425.0, 650.0), coincidence_window_ns=5.0,
)  # fmt: skip
MU = 0.0096
BALL_MM = 90.0
SOURCE = np.array([30.0, -20.0, 15.0])
SOURCE_MM = 25.0


def klein_nishina(cosine: Any, energy: float = 1.0) -> Any:
    """dσ/dΩ in r_e² at `energy` · 511 keV, written from the textbook: k = E'/E."""
    k = 1 / (1 + energy * (1 - cosine))
    return 0.5 * k * k * (k + 1 / k - (1 - cosine * cosine))


def total(energy: float) -> float:
    """σ in r_e², by quadrature."""
    return float(quad(lambda cosine: 2 * np.pi * klein_nishina(cosine, energy), -1, 1)[0])


def accepted(fraction: Array) -> Array:
    """Chance that a photon of `fraction` · 511 keV is measured within the window, relative to 511 keV."""

    def inside(energy: Array) -> Array:
        sigma = SCANNER.energy_resolution / 2.35482 * np.sqrt(energy * 511)
        low, high = SCANNER.energy_window_kev
        return np.asarray(ndtr((high - energy) / sigma) - ndtr((low - energy) / sigma))

    return np.asarray(inside(511 * fraction) / inside(np.array(511.0)))


class MonteCarlo:
    """Photon pairs from a ball source in a water ball in air, each photon followed by hand."""

    def __init__(self, pairs: int, seed: int) -> None:
        draw = np.random.default_rng(seed)
        self.draw = draw
        start = SOURCE + SOURCE_MM * draw.uniform(0, 1, (pairs, 1)) ** (1 / 3) * self.directions(pairs)
        along = self.directions(pairs)
        straight = np.ones(pairs)
        end_a, survive_a = self.escape(start, along, straight)
        end_b, survive_b = self.escape(start, -along, straight)
        self.trues = np.stack([end_a, end_b], axis=1), survive_a * survive_b
        # Photon A scatters once, wherever along its way it does; by symmetry this is half of all single scatter.
        length = self.to_surface(start, along)
        collide = 1 - np.exp(-MU * length)
        depth = -np.log(1 - draw.uniform(0, 1, pairs) * collide) / MU
        at = start + depth[:, None] * along
        turned, fraction = self.scattered(along)
        end_s, survive_s = self.escape(at, turned, fraction)
        weight = collide * survive_s * survive_b * accepted(fraction)
        self.scatter = np.stack([end_s, end_b], axis=1), weight

    def directions(self, count: int) -> Array:
        """Unit vectors, evenly over the sphere."""
        v = self.draw.standard_normal((count, 3))
        return np.asarray(v / np.linalg.norm(v, axis=1, keepdims=True))

    @staticmethod
    def to_surface(start: Array, along: Array) -> Array:
        """Way to the surface of the water."""
        b = (start * along).sum(axis=1)
        return np.asarray(-b + np.sqrt(b * b + BALL_MM**2 - (start**2).sum(axis=1)))

    def escape(self, start: Array, along: Array, fraction: Array) -> tuple[Array, Array]:
        """Where a photon meets the detector cylinder, and its chance to get out of the water."""
        energies = np.linspace(0.3, 1, 60)
        mu = MU * np.interp(fraction, energies, [total(e) for e in energies]) / total(1.0)
        a = (along[:, :2] ** 2).sum(axis=1)
        b = (start[:, :2] * along[:, :2]).sum(axis=1)
        c = (start[:, :2] ** 2).sum(axis=1) - SCANNER.radius_mm**2
        distance = (-b + np.sqrt(b * b - a * c)) / a
        return start + distance[:, None] * along, np.exp(-mu * self.to_surface(start, along))

    def scattered(self, along: Array) -> tuple[Array, Array]:
        """A direction by the Klein-Nishina law, by rejection, and E'/E."""
        cosine = np.empty(len(along))
        left = np.arange(len(along))
        while left.size:
            trial = self.draw.uniform(-1, 1, left.size)
            taken = self.draw.uniform(0, 1, left.size) < klein_nishina(trial)
            cosine[left[taken]] = trial[taken]
            left = left[~taken]
        across = np.cross(along, self.directions(len(along)))
        across /= np.linalg.norm(across, axis=1, keepdims=True)
        return cosine[:, None] * along + np.sqrt(1 - cosine**2)[:, None] * across, 1 / (2 - cosine)


def histogram(ends: Array, weight: Array) -> Array:
    """Counts by radial distance, of lines within the detector whose ring difference is kept."""
    a, b = ends[:, 0], ends[:, 1]
    half = SCANNER.axial_field_of_view_mm / 2
    keep = (np.abs(a[:, 2]) < half) & (np.abs(b[:, 2]) < half) & (np.abs(a[:, 2] - b[:, 2]) < 15.5 * 6.0)
    along = b[:, :2] - a[:, :2]
    s = np.abs(a[:, 0] * along[:, 1] - a[:, 1] * along[:, 0]) / np.linalg.norm(along, axis=1)
    return np.asarray(np.histogram(s[keep], EDGES, weights=weight[keep])[0])


EDGES = np.array([0.0, *(300 * np.sin(np.pi * (np.array([6, 12, 19, 32, 60]) + 0.5) / 200))])
"""Halfway between radial bins, so that each counts whole [mm]."""
