"""Signal equations against Bloch's equations stepped numerically, and against closed forms."""

import numpy as np
import pytest

from pellucid.modalities.mr import signal

TISSUES = [(830.0, 80.0, 60.0), (4000.0, 2000.0, 1500.0), (350.0, 50.0, 30.0)]


def rotate_x(m, angle):
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([m[..., 0], c * m[..., 1] - s * m[..., 2], s * m[..., 1] + c * m[..., 2]], axis=-1)


def relax(m, time, t1, t2, turn):
    """Free precession of isochromats turned by `turn` radians during `time`."""
    c, s, e2 = np.cos(turn), np.sin(turn), np.exp(-time / t2)
    x, y = m[..., 0], m[..., 1]
    return np.stack([e2 * (c * x - s * y), e2 * (s * x + c * y), 1 + (m[..., 2] - 1) * np.exp(-time / t1)], axis=-1)


def bloch_spin_echo(t1, t2, tr, te, alpha, beta, ti, periods):
    """Isochromats under crushers that turn each by a different angle before and after the refocusing pulse."""
    crusher = 2 * np.pi * np.arange(64) / 64
    m = np.zeros((64, 3))
    m[:, 2] = 1.0
    echo = 0.0
    for _ in range(periods):
        m[:, :2] = 0  # spoiled between repetitions
        if ti is not None:
            m[:, 2] *= -1
            m = relax(m, ti, t1, t2, 0.0)
            m[:, :2] = 0
        m = rotate_x(m, alpha)
        # The refocusing pulse is turned by 90 degrees (CPMG), as about the y axis.
        m = relax(m, te / 2, t1, t2, crusher)
        m = rotate_x(m[:, [1, 0, 2]] * [1, -1, 1], beta)
        m = m[:, [1, 0, 2]] * [-1, 1, 1]
        m = relax(m, te / 2, t1, t2, crusher)
        echo = np.mean(m[:, 1])
        m = relax(m, tr - te - (ti or 0.0), t1, t2, 0.0)
        m[:, 2] = m[:, 2].mean()
    return echo


@pytest.mark.parametrize(("t1", "t2", "t2_star"), TISSUES)
@pytest.mark.parametrize(("alpha", "beta"), [(90, 180), (75, 150)])
@pytest.mark.parametrize("ti", [None, 400.0])
def test_spin_echo_is_the_steady_state_of_bloch(t1, t2, t2_star, alpha, beta, ti):
    tr, te = 2000.0, 60.0
    got = signal.spin_echo(
        1.0, t1, t2, repetition_time_ms=tr, echo_time_ms=te, flip_angle_deg=alpha, refocusing_angle_deg=beta,
        inversion_time_ms=ti,
    )  # fmt: skip
    simulated = bloch_spin_echo(t1, t2, tr, te, np.deg2rad(alpha), np.deg2rad(beta), ti, 30)
    # 30 periods reach the steady state to far below 1e-9; both are exact beyond that.
    assert abs(abs(got.item()) - abs(simulated)) < 1e-9


@pytest.mark.parametrize(("t1", "t2", "t2_star"), TISSUES)
def test_spoiled_gradient_echo_is_the_steady_state_of_bloch(t1, t2, t2_star):
    tr, te, alpha = 20.0, 4.0, np.deg2rad(22.0 * 0.9)
    mz = 1.0
    for _ in range(5000):
        mxy, mz = mz * np.sin(alpha), mz * np.cos(alpha)
        mz = 1 + (mz - 1) * np.exp(-tr / t1)
    got = signal.spoiled_gradient_echo(
        0.8, t1, t2_star, repetition_time_ms=tr, echo_time_ms=te, flip_angle_deg=22.0, b1=0.9
    )
    assert got == pytest.approx(0.8 * mxy * np.exp(-te / t2_star), rel=1e-9)


def test_the_ernst_angle_gives_the_largest_signal():
    angles = np.arange(1, 60, 0.01)
    values = [
        signal.spoiled_gradient_echo(1, 830, 60, repetition_time_ms=20, echo_time_ms=4, flip_angle_deg=a).item()
        for a in angles
    ]
    ernst = np.rad2deg(np.arccos(np.exp(-20 / 830)))
    assert angles[int(np.argmax(values))] == pytest.approx(ernst, abs=0.01)


def test_spin_echo_with_ideal_angles_is_the_textbook_formula():
    t1, t2, tr, te = 830.0, 80.0, 600.0, 15.0
    got = signal.spin_echo(1, t1, t2, repetition_time_ms=tr, echo_time_ms=te)
    expected = (1 - 2 * np.exp(-(tr - te / 2) / t1) + np.exp(-tr / t1)) * np.exp(-te / t2)
    assert got.item() == pytest.approx(expected, rel=1e-12)


def test_inversion_recovery_nulls_fluid_and_keeps_the_sign_before_the_null():
    t1, tr, te = 4000.0, 9000.0, 100.0
    # Null of the steady state: Mz before excitation = 0; long TR: TI = T1 ln 2 - T1 ln(1 + exp(-TR/T1)) nearly.
    null = t1 * (np.log(2) - np.log(1 + np.exp(-(tr - te / 2) / t1)))
    near = {"repetition_time_ms": tr, "echo_time_ms": te}
    full = signal.spin_echo(1, t1, 2000, **near).item()
    values = [
        signal.spin_echo(1, t1, 2000, inversion_time_ms=ti, **near).item() for ti in (null - 200, null, null + 200)
    ]
    assert values[0] < 0 < values[2]
    assert abs(values[1]) < 0.02 * full  # the echo's own 50 ms are neglected in `null`


def test_tissue_without_relaxation_times_gives_nothing():
    assert signal.spoiled_gradient_echo(0, 0, 0, repetition_time_ms=9, echo_time_ms=1, flip_angle_deg=9) == 0
    assert signal.spin_echo(0, 0, 0, repetition_time_ms=9, echo_time_ms=1) == 0
