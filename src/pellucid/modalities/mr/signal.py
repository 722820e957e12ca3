"""Signal equations: transverse magnetisation at the echo, relative to that of water at equilibrium.

Arguments broadcast against each other. Times in ms, angles in degrees; `b1` is the transmit field relative to its
nominal value (every flip angle is scaled by it). T2* contains the dephasing within a voxel.

Each function is the periodic steady state of Bloch's equations under ideal spoiling: no transverse
magnetisation survives from one repetition to the next, and crushers leave the refocused echo only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.floating]


def spoiled_gradient_echo(
    proton_density: ArrayLike,
    t1_ms: ArrayLike,
    t2_star_ms: ArrayLike,
    *,
    repetition_time_ms: float,
    echo_time_ms: float,
    flip_angle_deg: float,
    b1: ArrayLike = 1.0,
) -> Array:
    """PD sin α (1 − E1) / (1 − E1 cos α) exp(−TE / T2*), E1 = exp(−TR / T1).

    Ernst and Anderson 1966, doi:10.1063/1.1719961.
    """
    angle = np.deg2rad(flip_angle_deg) * np.asarray(b1)
    e1 = _decay(repetition_time_ms, t1_ms)
    steady = (1 - e1) / np.maximum(1 - e1 * np.cos(angle), 1e-30)
    signal: Array = np.asarray(proton_density) * np.sin(angle) * steady * _decay(echo_time_ms, t2_star_ms)
    return signal


def spin_echo(
    proton_density: ArrayLike,
    t1_ms: ArrayLike,
    t2_ms: ArrayLike,
    *,
    repetition_time_ms: float,
    echo_time_ms: float,
    flip_angle_deg: float = 90.0,
    refocusing_angle_deg: float = 180.0,
    inversion_time_ms: float | None = None,
    b1: ArrayLike = 1.0,
) -> Array:
    """Spin echo, with an inversion pulse `inversion_time_ms` before the excitation where given (FLAIR, STIR).

        PD · Mz⁻ · sin α · sin²(β / 2) · exp(−TE / T2)

    Mz⁻, before the excitation, follows from one period of the affine maps relax (Mz → 1 + (Mz − 1) e^(−t/T1)) and
    pulse (Mz → Mz cos angle): inversion, TI, excitation α, TE / 2, refocusing β, and the rest of TR. With ideal
    angles: 1 − 2 exp(−(TR − TE/2)/T1) + exp(−TR/T1) without inversion. The inversion is adiabatic: `b1`
    does not matter to it. The sign of Mz⁻ is kept.
    """
    scale = np.asarray(b1)
    excite = np.deg2rad(flip_angle_deg) * scale
    refocus = np.deg2rad(refocusing_angle_deg) * scale
    inversion = 0.0 if inversion_time_ms is None else inversion_time_ms
    half_echo = echo_time_ms / 2
    steps = [
        (np.cos(excite), half_echo),
        (np.cos(refocus), repetition_time_ms - half_echo - inversion),
    ]
    if inversion_time_ms is not None:
        steps.append((np.asarray(-1.0), inversion))
    before = _periodic_longitudinal(steps, t1_ms)
    signal: Array = np.asarray(proton_density) * before * np.sin(excite) * np.sin(refocus / 2) ** 2
    signal = signal * _decay(echo_time_ms, t2_ms)
    return signal


def _periodic_longitudinal(steps: list[tuple[Array, float]], t1_ms: ArrayLike) -> Array:
    """Mz before the first pulse of a train of (cosine of the flip angle, delay after it) that repeats for ever.

    Every step is Mz → a Mz + b; the whole period's fixed point is b / (1 − a).
    """
    slope: Array = np.ones(1)
    offset: Array = np.zeros(1)
    for cosine, delay in steps:
        e1 = _decay(delay, t1_ms)
        slope = slope * cosine * e1
        offset = offset * cosine * e1 + 1 - e1
    fixed: Array = offset / np.maximum(1 - slope, 1e-30)
    return fixed


def _decay(time_ms: float, constant_ms: ArrayLike) -> Array:
    """exp(−t / T), 0 where T is 0 (tissue without signal)."""
    constant = np.asarray(constant_ms)
    safe = np.where(constant > 0, constant, 1.0)
    decay: Array = np.where(constant > 0, np.exp(-time_ms / safe), 0.0)
    return decay
