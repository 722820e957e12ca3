"""Readers: round trips through what we write, real files in place, and broken files refused in one line."""

import struct
from dataclasses import replace

import numpy as np
import pytest

from pellucid.errors import InvalidInputError, UnsupportedError
from pellucid.modalities import mr
from pellucid.modalities.mr import KSpace
from pellucid.modalities.mr.readers import READERS, cfl, ismrmrd, npy, twix
from pellucid.modalities.mr.writers import write_cfl, write_ismrmrd
from validation import mr_phantom

SMALL = {"resolution_mm": 4.0, "slice_thickness_mm": 5.0, "coils": 3}


def same_image(first: KSpace, second: KSpace, method: str, limit=1e-4):
    one, two = mr.reconstruct(first, method), mr.reconstruct(second, method)
    assert np.allclose(one.affine, two.affine, atol=1e-3)
    assert np.abs(one.array - two.array).max() <= limit * np.abs(one.array).max()


@pytest.mark.parametrize(
    ("protocol", "changes", "method"),
    [
        ("t1_gre", {"tilt_deg": 20.0, "slices": 4, "slice_gap_mm": 1.0, "readout_oversampling": 2}, "fft"),
        ("flair", {"orientation": "coronal", "slices": 1, "slice_gap_mm": 1.0, "partial_fourier": 0.7}, "fft"),
        ("t1_gre_sense_2x2", {"orientation": "sagittal", "tilt_deg": -10.0, "calibration_lines": 12}, "fft"),
        ("t1_radial", {"slices": 2}, "nufft"),
    ],
)
def test_ismrmrd_round_trip(patient, tmp_path, protocol, changes, method):
    raw = mr.scan(patient, protocol, **{**SMALL, **changes})
    write_ismrmrd(raw, tmp_path / "a.h5")
    assert ismrmrd.sniff((tmp_path / "a.h5").read_bytes()[:4096], "a.h5")
    (again,) = ismrmrd.read(tmp_path / "a.h5")
    if raw.is_cartesian:
        assert np.array_equal(again.samples, raw.samples)
        assert np.array_equal(again.sampled, raw.sampled)
    else:
        assert np.allclose(again.trajectory, raw.trajectory, atol=1e-3)
    assert np.array_equal(again.noise, raw.noise)
    for name in ("echo_time_ms", "repetition_time_ms", "inversion_time_ms", "flip_angle_deg", "field_strength_t"):
        assert getattr(again, name) == getattr(raw, name)
    assert again.study.frame_of_reference_uid == raw.study.frame_of_reference_uid
    assert again.slice_thickness_mm == (None if raw.is_3d else raw.slice_thickness_mm)
    assert again.voxel_mm == pytest.approx(raw.voxel_mm, rel=1e-5)
    same_image(raw, again, method)


def test_ismrmrd_made_by_another_program(real_data):
    """MRIReco.jl's simulation; its header leaves out much of what the schema asks for."""
    (raw,) = ismrmrd.read(real_data("mr/raw/mrireco_sim/acqDataBrainSim100.h5"))
    image = mr.reconstruct(raw)
    assert image.shape == (1, 256, 256)
    assert "voxels taken as 1 mm" in raw.description
    # A centred head: bright in the middle, empty in the corners.
    assert image.array[0, 100:156, 100:156].mean() > 20 * image.array[0, :16, :16].mean()


def test_cfl_round_trip(patient, tmp_path):
    raw = mr.scan(patient, "t1_gre_sense_2x2", **{**SMALL, "calibration_lines": 12})
    write_cfl(raw, tmp_path / "k")
    (again,) = cfl.read(tmp_path / "k.cfl")
    assert np.array_equal(again.samples, raw.samples)
    assert np.array_equal(again.sampled, raw.sampled)
    radial = mr.scan(patient, "t1_radial", slices=1, **SMALL)
    write_cfl(radial, tmp_path / "r")
    cycles = cfl.read_array(tmp_path / "r_traj.hdr")
    assert cycles.shape[:3] == (3, radial.samples.shape[4], radial.samples.shape[3])
    assert np.abs(cycles).max() == pytest.approx(radial.image_shape[1] / 2, rel=0.02)


def test_bart_brain(real_data):
    (raw,) = cfl.read(real_data("mr/raw/bart_pics_brain/ksp.hdr"))
    assert raw.samples.shape == (1, 8, 1, 180, 230)
    assert raw.sampled.mean() == pytest.approx(0.127, abs=1e-3)


def test_sigpy_tutorial(real_data):
    (raw,) = npy.read(real_data("mr/raw/sigpy_tutorial/cartesian_ksp.npy"))
    assert raw.samples.shape == (1, 8, 1, 230, 180)
    with pytest.raises(UnsupportedError, match="expected complex"):
        npy.read(real_data("mr/raw/sigpy_tutorial/projection_coord.npy"))


def test_siemens_gradient_echo(real_data):
    """Phantom measured at 3 T, software VE11C; the header gives the truth."""
    (raw,) = twix.read(real_data("mr/raw/siemens_twix/gre.dat"))
    assert raw.samples.shape == (1, 2, 1, 160, 320)
    assert (raw.echo_time_ms, raw.repetition_time_ms, raw.flip_angle_deg) == (3.0, 10.0, 15.0)
    assert raw.field_strength_t == pytest.approx(2.8936, abs=1e-4)
    assert raw.sequence == "spoiled_gradient_echo"
    assert raw.attributes["ImagingFrequency"] == pytest.approx(123.263034)
    assert np.allclose(raw.voxel_mm, (4.0, 1.25, 1.25))
    # sSliceArray: position (Sag, Cor, Tra) is at the centre of the image; normal.
    centre = raw.affine @ [0, 80, 80, 1]
    assert np.allclose(centre[:3], (-2.58969998, 53.92242644, -53.99947453), atol=1e-4)
    normal = raw.affine[:3, 0] / 4.0
    assert np.allclose(normal, (0, 0.0383878, 0.999263), atol=1e-5)
    # No dInPlaneRot: a transversal slice is then phase encoded from anterior to posterior, read from right to left.
    assert abs(raw.affine[1, 1]) / 1.25 > 0.99
    assert abs(raw.affine[0, 2]) / 1.25 > 0.99
    image = mr.reconstruct(raw)
    assert image.attributes["InPlanePhaseEncodingDirection"] == "COL"
    assert image.shape == (1, 160, 160)
    directions = image.affine[:3, :3] / image.spacing_mm
    assert directions[0, 2] > 0.99
    assert directions[1, 1] > 0.99
    # The ACR phantom lies on the table: its air level, a flat dark edge, is at the front.
    assert np.mean(image.array[0, 4:12, 60:100]) < 0.3 * np.mean(image.array[0, 140:150, 60:100])
    # Slice 1: the resolution insert (dark) below the middle, its bright square to the viewer's left.
    assert np.mean(image.array[0, 92:118, 40:120]) < 0.6 * np.mean(image.array[0, 42:68, 40:120])
    assert np.mean(image.array[0, 100:110, 40:50]) > 2 * np.mean(image.array[0, 100:110, 110:120])
    # The phantom fills a disc around the centre; the corners are air.
    assert np.median(image.array[0, 40:120, 40:120]) > 3 * np.median(image.array[0, :12, :12])


def test_siemens_echo_planar_is_refused_with_the_reason(real_data):
    with pytest.raises(UnsupportedError, match="echo-planar"):
        twix.read(real_data("mr/raw/siemens_twix/epi.dat"))


PROTOCOL = """
sProtConsistencyInfo.flNominalB0 = 1.494
sSliceArray.asSlice[0].dThickness = {slab}
sSliceArray.asSlice[0].dPhaseFOV = 144.0
sSliceArray.asSlice[0].dReadoutFOV = 192.0
sKSpace.lBaseResolution = 16
sKSpace.lPhaseEncodingLines = 12
sKSpace.lPartitions = {partitions}
sKSpace.lImagesPerSlab = {partitions}
sKSpace.ucDimension = {dimension}
sKSpace.ucTrajectory = 0x1
alTE[0] = 5000
alTR[0] = 100000
adFlipAngleDegree[0] = 30.0
lContrasts = 1
"""


def twix_file(version, scans, *, partitions=1, end=True):
    """A twix file of readouts (mask, counters, position, quaternion, samples [coil, sample])."""
    text = PROTOCOL.format(slab=5.0 * partitions, partitions=partitions, dimension=4 if partitions > 1 else 2).encode()
    dicom = b'<ParamString."tScanningSequence">  { "GR"  }\n<ParamString."tPatientPosition">  { "HFS"  }'
    parts = [(b"Config", b" " * 12000), (b"Dicom", dicom), (b"MeasYaps", text)]
    body = b"".join(name + b"\0" + struct.pack("<I", len(value)) + value for name, value in parts)
    length = 8 + len(body) + (-(8 + len(body))) % 32
    header = (struct.pack("<II", length, len(parts)) + body).ljust(length, b"\0")
    data = b""
    ending = [(1, (0,) * 9, (0,) * 3, (0,) * 4, np.zeros((1, 0), np.complex64))] if end else []
    for mask, counters, position, quaternion, samples in [*scans, *ending]:
        coils, count = samples.shape
        loops = struct.pack("<14H", *counters, 0, 0, 0, 0, 0)
        place = struct.pack("<7f", *position, *quaternion)
        middle = loops + struct.pack("<HHHH", 0, 0, count // 2, 0) + struct.pack("<fI", 0, 0)
        middle += struct.pack("<HH", 6, partitions // 2)
        if version == "VD":
            size = 192 + coils * (32 + 8 * count)
            head = struct.pack("<I", size).ljust(40, b"\0") + struct.pack("<QHH", mask, count, coils) + middle + place
            data += head.ljust(192, b"\0") + b"".join(b"\0" * 32 + row.tobytes() for row in samples)
        else:
            size = 128 + 8 * count
            head = struct.pack("<I", size).ljust(20, b"\0") + struct.pack("<QHH", mask, count, coils) + middle
            data += b"".join(head.ljust(96, b"\0") + place + b"\0" * 4 + row.tobytes() for row in samples)
    if version == "VB":
        return header + data
    directory = struct.pack("<II", 0, 1) + struct.pack("<IIQQ", 7, 1, 512, len(header) + len(data)).ljust(152, b"\0")
    return directory.ljust(512, b"\0") + header + data


def readouts(*, slices=1, partitions=1, averages=1):
    generator = np.random.default_rng(0)
    turn = (np.cos(0.2), np.sin(0.2), 0.0, 0.0)  # 0.4 rad about the x axis
    found, truth = [], np.zeros((slices, 2, partitions, 12, 32), np.complex64)
    found.append((1 << 25, (0,) * 9, (0,) * 3, turn, generator.standard_normal((2, 64), np.float32).view(np.complex64)))
    for average in range(averages):
        for slice_ in range(slices):
            for partition in range(partitions):
                for line in range(12):
                    samples = generator.standard_normal((2, 64)).astype(np.float32).view(np.complex64)
                    truth[slice_, :, partition, line] += samples / averages
                    position = np.array([3.0, 4.0, 5.0]) + 6.0 * slice_ * np.array([0, -np.sin(0.4), np.cos(0.4)])
                    counters = (line, average, slice_, partition, 0, 0, 0, 0, 0)
                    found.append((1 << 3, counters, tuple(position), turn, samples))
    return found, truth


@pytest.mark.parametrize("version", ["VB", "VD"])
@pytest.mark.parametrize("kind", [{"slices": 3}, {"partitions": 4}, {"averages": 2}])
def test_twix_made_here(tmp_path, version, kind):
    scans, truth = readouts(**kind)
    path = tmp_path / "meas.dat"
    path.write_bytes(twix_file(version, scans, partitions=kind.get("partitions", 1)))
    assert twix.sniff(path.read_bytes()[:4096], "meas.dat")
    (raw,) = twix.read(path)
    assert np.allclose(raw.samples, truth, atol=1e-6)
    assert raw.noise.shape == (2, 32)
    assert (raw.echo_time_ms, raw.repetition_time_ms, raw.flip_angle_deg) == (5.0, 100.0, 30.0)
    slices = 3 if "slices" in kind else 1
    assert raw.image_shape == (kind.get("partitions", slices), 12, 16)
    assert np.allclose(raw.voxel_mm, (6.0 if slices > 1 else 5.0, 12.0, 12.0))
    index = [kind.get("partitions", 1) // 2, 6, 8, 1]
    assert np.allclose((raw.affine @ index)[:3], (3.0, 4.0, 5.0), atol=1e-4)
    # Columns of the quaternion's matrix: phase (rows), read (columns), slice; k grows against them.
    assert np.allclose(raw.affine[:3, 1] / 12, (-1, 0, 0), atol=1e-6)
    assert np.allclose(raw.affine[:3, 2] / 12, (0, -np.cos(0.4), -np.sin(0.4)), atol=1e-6)


def test_broken_twix(tmp_path):
    scans, _ = readouts()
    whole = twix_file("VD", scans)
    path = tmp_path / "bad.dat"
    reflected = [(mask | 1 << 24, *rest) if mask == 1 << 3 else (mask, *rest) for mask, *rest in scans]
    nan = [(m, c, p, q, np.full_like(s, np.nan)) if m == 1 << 3 else (m, c, p, q, s) for m, c, p, q, s in scans]
    far = [(m, (99, *c[1:]), p, q, s) if m == 1 << 3 else (m, c, p, q, s) for m, c, p, q, s in scans]
    cases = [
        (b"", "not Siemens"),
        (whole[:-900], "Truncated"),
        (twix_file("VB", scans)[:-900], "Truncated"),
        (twix_file("VB", scans, end=False), "Truncated"),
        (twix_file("VD", reflected), "echo-planar"),
        (twix_file("VD", nan), "not finite"),
        (twix_file("VD", far), "line: is"),
        (twix_file("VD", scans[:1]), "no image readouts"),
        (whole.replace(b"dReadoutFOV = 192.0", b"dReadoutFOV = 000.0"), "sSliceArray"),
    ]
    for content, message in cases:
        path.write_bytes(content)
        with pytest.raises(InvalidInputError, match=message) as caught:
            twix.read(path)
        assert "\n" not in str(caught.value)
        assert "bad.dat" in str(caught.value)


def test_broken_cfl(tmp_path):
    header, data = tmp_path / "k.hdr", tmp_path / "k.cfl"
    data.write_bytes(np.ones(24, np.complex64).tobytes())
    for text, message in [
        ("# Dimensions\n2 3 4 2\n", "192 bytes"),
        ("# Dimensions\n2 3 -4\n", "# Dimensions"),
        ("# Dimensions\n2 3 2 2 1 2\n", "192 bytes"),
        ("nothing\n", "is missing"),
        ("# Dimensions\n2 3 2 1 2\n", "dimensions \\[4\\]"),
        ("# Dimensions\n99999999 9999999 9999\n", "192 bytes"),
    ]:
        header.write_text(text)
        with pytest.raises(InvalidInputError, match=message):
            cfl.read(header)
    header.write_text("# Dimensions\n2 3 2 2\n")
    values = np.ones(24, np.complex64)
    values[5] = np.nan
    data.write_bytes(values.tobytes())
    with pytest.raises(InvalidInputError, match="not finite"):
        cfl.read(data)
    data.unlink()
    with pytest.raises(InvalidInputError, match=r"k\.hdr: .* k\.cfl with the samples, is missing"):
        cfl.read(header)
    data.write_bytes(values.tobytes())
    header.unlink()
    with pytest.raises(InvalidInputError, match=r"k\.cfl: .* k\.hdr with the dimensions, is missing"):
        cfl.read(data)


def test_broken_npy(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.ones((4, 8, 8), np.complex64))
    whole = path.read_bytes()
    assert npy.sniff(whole[:4096], "a.npy")
    for content, message in [(whole[:-100], "a.npy"), (whole[:40], "a.npy"), (b"", "a.npy")]:
        path.write_bytes(content)
        with pytest.raises(InvalidInputError, match=message):
            npy.read(path)
    np.save(path, np.zeros((4, 8, 8), np.complex64))
    with pytest.raises(InvalidInputError, match="zero everywhere"):
        npy.read(path)


def test_broken_ismrmrd(patient, tmp_path):
    import h5py

    path = tmp_path / "a.h5"
    raw = mr.scan(patient, "t1_gre", slices=1, prescan=False, **SMALL)

    def fresh():
        write_ismrmrd(raw, path)
        return path

    whole = fresh().read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InvalidInputError, match=r"a\.h5"):
        ismrmrd.read(path)
    for xml, message in [
        (b"<broken", "not XML"),
        (b"<html/>", "ismrmrdHeader"),
        (b"<ismrmrdHeader/>", "encoding"),
        (b"<!DOCTYPE x><ismrmrdHeader/>", "entities"),
        (b"<ismrmrdHeader><encoding><trajectory>radial</trajectory><encodedSpace><matrixSize><x>8</x><y>8</y><z>1</z>"
         b"</matrixSize></encodedSpace></encoding></ismrmrdHeader>", "trajectory_dimensions"),
        (b"<ismrmrdHeader><encoding/></ismrmrdHeader>", "matrixSize"),
    ]:  # fmt: skip
        with h5py.File(fresh(), "r+") as file:
            file["dataset/xml"][0] = xml
        with pytest.raises(InvalidInputError, match=message):
            ismrmrd.read(path)
    with h5py.File(fresh(), "r+") as file:
        row = file["dataset/data"][3]
        row["data"] = row["data"][:-2]
        file["dataset/data"][3] = row
    with pytest.raises(InvalidInputError, match="numbers in readout"):
        ismrmrd.read(path)
    with h5py.File(fresh(), "r+") as file:
        del file["dataset/data"]
    with pytest.raises(InvalidInputError, match="no raw data"):
        ismrmrd.read(path)


def test_readers_do_not_take_each_others_files(tmp_path):
    (tmp_path / "m.dat").write_bytes(twix_file("VD", readouts()[0]))
    np.save(tmp_path / "k.npy", np.ones((2, 4, 4), np.complex64))
    write_ismrmrd(mr_phantom.radial(16, 5), tmp_path / "i.mrd")
    write_cfl(mr_phantom.radial(16, 5), tmp_path / "b")
    for path in sorted(tmp_path.iterdir()):
        takers = [reader.name for reader in READERS if reader.sniff(path.read_bytes()[:4096], path.name)]
        assert len(takers) == 1, (path.name, takers)


def test_asymmetric_echo_survives(patient, tmp_path):
    raw = mr.scan(patient, "t1_gre", slices=1, **SMALL)
    cut = raw.samples.copy()
    cut[..., :5] = 0
    short = replace(raw, samples=cut, skipped_readout_samples=5)
    write_ismrmrd(short, tmp_path / "a.h5")
    (again,) = ismrmrd.read(tmp_path / "a.h5")
    assert again.skipped_readout_samples == 5
    assert np.array_equal(again.samples, cut)


@pytest.mark.parametrize(
    ("axis", "phase", "read", "normal"),
    [
        ((1, 0, 0), (1, 0, 0), (0, 0, 1), (0, -1, 0)),
        ((0, 1, 0), (0, 0, -1), (0, 1, 0), (1, 0, 0)),
        ((0, 0, 1), (0, 1, 0), (-1, 0, 0), (0, 0, 1)),
    ],
)
def test_quaternions_are_right_handed_turns(axis, phase, read, normal):
    """A quarter turn about each axis: (phase, read, slice) are the turned (x, y, z)."""
    quaternion = (np.sqrt(0.5), *(np.sqrt(0.5) * np.array(axis)))
    assert np.allclose(twix.directions(quaternion), [read, phase, normal])
