"""CT, PET and MR test objects: materials where the standards put them; exact forms equal sums over their voxels."""

import numpy as np
import pytest

from pellucid.anatomy import phantoms
from pellucid.anatomy.phantoms import ct, mr, nema
from pellucid.errors import InvalidInputError, UnknownOptionError, UnsupportedError


def tissue_at(anatomy, point):
    index = np.rint(np.linalg.solve(anatomy.affine[:3, :3], np.array(point) - anatomy.affine[:3, 3])).astype(int)
    return anatomy.tissues[anatomy.labels[tuple(index)]].name


@pytest.fixture(scope="module")
def nema_object():
    return phantoms.nema_body(ratio=8.0)


def test_nema_holds_what_the_standard_says(nema_object):
    body = nema_object.anatomy(2.0)
    inside = ("background", "hot_sphere", "lung_insert")
    tube = np.pi * (nema.LUNG_RADIUS_MM**2 - (nema.LUNG_RADIUS_MM - nema.LUNG_WALL_MM) ** 2) * 180 / 1000
    area = np.pi / 2 * 147**2 + 140 * 77 + np.pi / 2 * 77**2
    shells = sum(4 / 3 * np.pi * ((d / 2 + 1) ** 3 - (d / 2) ** 3) for d in nema.SPHERE_DIAMETERS_MM) / 1000
    # 2 mm voxels at the wall of 9.7 l.
    assert body.volume_ml(*inside) == pytest.approx(area * 180 / 1000 - tube - shells, rel=2e-3)
    for diameter, centre in nema.sphere_centres_mm().items():
        assert tissue_at(body, centre) == "hot_sphere"
        assert np.hypot(*centre[:2]) == pytest.approx(57.2)
        assert diameter in nema.SPHERE_DIAMETERS_MM
    assert tissue_at(body, (0, 0, 0)) == "lung_insert"
    assert tissue_at(body, (0, 90, 0)) == "background"
    assert tissue_at(body, (0, 120, 0)) == "air"
    assert tissue_at(body, (0, -109, 0)) == "background"


def test_nema_uptake_ratio_and_cold_spheres():
    values = phantoms.nema_body(ratio=8.0).anatomy(5.0)
    uptake = dict(zip([t.name for t in values.tissues], values.values("uptake", tracer="fdg"), strict=True))
    assert uptake["hot_sphere"] == 8 * uptake["background"]
    cold = phantoms.nema_body(cold_mm=(28.0, 37.0)).anatomy(3.0)
    assert tissue_at(cold, nema.sphere_centres_mm()[37.0]) == "water"
    assert tissue_at(cold, nema.sphere_centres_mm()[22.0]) == "hot_sphere"
    with pytest.raises(InvalidInputError, match="cold_mm: has"):
        phantoms.nema_body(cold_mm=(30.0,))
    with pytest.raises(InvalidInputError, match="ratio"):
        phantoms.nema_body(ratio=0.0)


def rays(seed: int, reach: float, count: int = 60):
    random = np.random.default_rng(seed)
    return random.uniform(-reach, reach, (count, 3)), random.normal(size=(count, 3))


@pytest.mark.parametrize(
    ("make", "reach", "centre"),
    [
        (phantoms.catphan, 70.0, (0, 0, 0)),
        (phantoms.nema_body, 70.0, (0, 0, -22)),
        (phantoms.relaxation, 60.0, (0, 0, 0)),
    ],
)
def test_ray_integrals_are_the_sum_of_labels_along_the_ray(make, reach, centre):
    """Points along a ray, each of the last part that holds it: shares no code with the interval arithmetic."""
    thing = make()
    values = np.arange(len(thing.tissues)) * 0.1 + 0.05
    exact = thing.analytic(values)
    index = {tissue.name: i for i, tissue in enumerate(thing.tissues)}
    origins, directions = rays(4, reach)
    origins = origins + np.array(centre)
    unit = directions / np.linalg.norm(directions, axis=1)[:, None]
    step = 0.05
    t = np.arange(-420, 420, step)
    met = 0
    for origin, along, found in zip(
        origins[:20], unit, exact.ray_integral(origins[:20], directions[:20]), strict=False
    ):
        points = origin + t[:, None] * along
        label = np.zeros(len(t), int)
        for part in thing.parts:
            label[part.shape.contains(points)] = index[part.tissue]
        dense = (values[label] - values[0]).sum() * step
        # Each crossing is known to half a step of a value of at most 4.
        assert found == pytest.approx(dense, abs=0.6)
        met += abs(dense) > 1
    assert met >= 15


def test_catphan_inserts_and_line_pairs():
    thing = phantoms.catphan().anatomy(0.5)
    for material in ct.INSERTS:
        assert tissue_at(thing, ct.insert_centre_mm(material)) == material
    assert tissue_at(thing, (0, ct.INSERT_DISTANCE_MM, -20)) == "air"
    assert tissue_at(thing, (0, 0, -20)) == "water"
    # Coarsest pairs at the patient's left: two bars of 5 mm with a gap of 5 mm.
    across = [tissue_at(thing, (ct.LINE_PAIR_DISTANCE_MM, y, 20)) for y in (-10, -5, 0, 5, 10)]
    assert across == ["water", "aluminium", "water", "aluminium", "water"]
    bars = sum(count * 5 / pairs * 10 * 10 for pairs, count in ct.LINE_PAIRS.items()) / 1000
    assert thing.volume_ml("aluminium") == pytest.approx(bars, rel=0.1)


def test_mr_balls_are_in_order_and_its_holes_are_there():
    thing = phantoms.relaxation().anatomy(1.0)
    for number, centre in enumerate(mr.ball_centres_mm(mr.T1_PLANE_MM), start=1):
        assert tissue_at(thing, centre) == f"nickel_chloride_{number}"
    for number, centre in enumerate(mr.ball_centres_mm(mr.T2_PLANE_MM), start=1):
        assert tissue_at(thing, centre) == f"manganese_chloride_{number}"
    names = [t.name for t in thing.tissues]
    t1 = dict(zip(names, thing.values("t1", field_t=3.0), strict=True))
    assert t1["nickel_chloride_1"] == pytest.approx(1989)
    assert [t1[f"nickel_chloride_{n}"] for n in range(1, 15)] == sorted(
        (t1[f"nickel_chloride_{n}"] for n in range(1, 15)), reverse=True
    )
    for fiducial in thing.fiducials:
        assert tissue_at(thing, fiducial.position_lps_mm) == "fiducial_marker"
    x = mr.hole_group_centres_mm()[2.0]
    exact = phantoms.relaxation()
    density = exact.analytic([tissue.proton_density for tissue in exact.tissues])
    assert density.value([x - 2.0, -2.0, 0.0]) == pytest.approx(1.0)
    assert density.value([x, 0.0, 0.0]) == pytest.approx(0.0)


def test_kspace_of_the_mr_object_is_the_sum_over_its_voxels():
    thing = phantoms.relaxation()
    exact = thing.analytic([tissue.proton_density for tissue in thing.tissues])
    labelled = thing.anatomy(1.5)
    signal = labelled.values("proton_density")[labelled.labels]
    axes = [labelled.affine[2 - i, i] * np.arange(n) + labelled.affine[2 - i, 3] for i, n in enumerate(signal.shape)]
    k = np.random.default_rng(8).uniform(-0.02, 0.02, (6, 3))
    k[0] = 0
    dense = []
    for kx, ky, kz in k:
        plane = signal @ np.exp(-2j * np.pi * kx * axes[2])
        dense.append(np.exp(-2j * np.pi * kz * axes[0]) @ (plane @ np.exp(-2j * np.pi * ky * axes[1])) * 1.5**3)
    # Voxel centres at the surface of a ball of 3.8 l with 1.5 mm voxels.
    np.testing.assert_allclose(exact.kspace(k), dense, atol=2e-3 * abs(dense[0]))


def test_the_nema_body_has_no_closed_kspace_and_says_so(nema_object):
    with pytest.raises(UnsupportedError, match="no closed form"):
        nema_object.analytic(np.ones(6) * np.arange(6)).kspace([[0.01, 0, 0]])


def test_values_and_tissues_must_fit(nema_object):
    with pytest.raises(InvalidInputError, match="values: is"):
        nema_object.analytic([1.0, 2.0])
    with pytest.raises(InvalidInputError, match="spacing_mm"):
        nema_object.anatomy(0.0)
    with pytest.raises(InvalidInputError, match="at most"):
        nema_object.anatomy(0.1)
    with pytest.raises(UnknownOptionError, match="gold"):
        phantoms.MaterialPhantom(
            name="x", parts=(phantoms.Part(nema_object.parts[0].shape, "gold", "air"),), tissues=nema_object.tissues
        )


def test_sets_of_balls_and_rods():
    balls = phantoms.spheres([(0, 0, 0), (20, 0, 0)], [5, 3], [1.0, 2.0])
    assert balls.ray_integral([-50.0, 0, 0], [1.0, 0, 0]) == pytest.approx(10 + 2 * 6)
    assert balls.kspace([[0.0, 0, 0]])[0].real == pytest.approx(4 / 3 * np.pi * (125 + 2 * 27))
    rods = phantoms.cylinders([(0, 0, 0)], [4.0], [30.0], [1.5], rotation=phantoms.rotation_3d(90.0, axis=1))
    assert rods.ray_integral([0.0, 0, 0], [1.0, 0, 0]) == pytest.approx(45.0)
    assert rods.ray_integral([0.0, 0, 0], [0.0, 0, 1.0]) == pytest.approx(12.0)
    with pytest.raises(InvalidInputError, match="lengths"):
        phantoms.spheres([(0, 0, 0)], [1.0, 2.0], [1.0])
    with pytest.raises(InvalidInputError, match="lengths > 0"):
        phantoms.spheres([(0, 0, 0)], [-1.0], [1.0])
