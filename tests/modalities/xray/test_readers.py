"""Data Exchange: the real tooth, files made here, and files that are broken."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

import pellucid
from pellucid.anatomy.phantoms import shepp_logan
from pellucid.errors import InvalidInputError
from pellucid.modalities import xray
from pellucid.modalities.xray.centre_of_rotation import centre_of_rotation
from pellucid.modalities.xray.readers import data_exchange
from pellucid.modalities.xray.recon import prepare
from validation.rays import exact_line_integrals


def exact(offset, views, turn_deg, noise=0.0, columns=300):
    scan = xray.ScanGeometry(
        beam="parallel",
        angles_deg=np.arange(views) * turn_deg / views,
        columns=columns,
        column_spacing_mm=1.0,
        column_offset_mm=offset,
        row_positions_mm=[0.0],
    )
    data = exact_line_integrals(shepp_logan(size_mm=220.0), scan) / 220
    return data + np.float32(noise) * np.random.default_rng(0).standard_normal(data.shape).astype(np.float32), scan


@pytest.mark.parametrize("offset", [0.0, 2.37, -8.2, 21.6])
@pytest.mark.parametrize(("views", "turn"), [(180, 180.0), (181, 180.0), (360, 360.0)])
def test_centre_of_rotation_is_found(offset, views, turn):
    data, scan = exact(offset, views, turn)
    assert centre_of_rotation(data, scan.angles_deg) == pytest.approx(scan.centre_of_rotation_px, abs=0.15)
    noisy, _ = exact(offset, views, turn, noise=0.02)
    assert centre_of_rotation(noisy, scan.angles_deg) == pytest.approx(scan.centre_of_rotation_px, abs=0.4)


def test_centre_of_rotation_needs_half_a_turn():
    data, scan = exact(3.0, 180, 180.0)
    assert centre_of_rotation(data[:120], scan.angles_deg[:120]) is None
    uneven = scan.angles_deg + np.where(np.arange(180) > 90, 5.0, 0.0)
    assert centre_of_rotation(data, uneven) is None
    assert centre_of_rotation(data[:4], scan.angles_deg[:4]) is None


def test_tooth(real_data):
    """TomoPy's tooth (BSD-3): views, axis of rotation near column 295.5, and enamel brighter than dentine."""
    raw = pellucid.read(real_data("xray/tooth_tomopy/tooth.h5"))
    assert raw.geometry.shape == (181, 2, 640)
    assert raw.geometry.centre_of_rotation_px == pytest.approx(295.5, abs=0.5)
    assert raw.geometry.angular_range_deg == pytest.approx(180.0)
    image = pellucid.reconstruct(raw, matrix=256)
    assert image.quantity.name == "attenuation_coefficient"
    assert image.affine[2, 0] > 0
    air = image.array[0, 40:60, 90:170]
    tooth = np.percentile(image.array[0], 98)
    assert tooth == pytest.approx(0.085, rel=0.1)  # 1/cm for pixels of 1 mm
    assert abs(air.mean()) < 0.02 * tooth
    assert air.std() < 0.06 * tooth


def write(path, **datasets):
    with h5py.File(path, "w") as file:
        for name, (values, attributes) in datasets.items():
            dataset = file.create_dataset(name.replace("__", "/"), data=values)
            dataset.attrs.update(attributes)
    return path


def good(**changes):
    data, scan = exact(-4.0, 60, 180.0, columns=240)
    counts = np.rint(1e4 * np.exp(-data) + 100).astype(np.uint16)
    datasets = {
        "exchange__data": (counts, {}),
        "exchange__data_white": (np.full((3, 1, 240), 10100, np.uint16), {}),
        "exchange__data_dark": (np.full((2, 1, 240), 100, np.uint16), {}),
        "exchange__theta": (scan.angles_deg, {"units": "degrees"}),
        **changes,
    }
    return {name: value for name, value in datasets.items() if value is not None}


def test_made_file(tmp_path):
    path = write(tmp_path / "scan.h5", **good())
    (raw,) = data_exchange.read(path)
    assert data_exchange.sniff(path.read_bytes()[:4096], path.name)
    assert raw.geometry.centre_of_rotation_px == pytest.approx(119.5 + 4.0, abs=0.2)
    assert raw.provenance.sources == ("scan.h5",)
    assert "taken as 1 mm" in raw.description


def test_radians_axes_and_pixel_size(tmp_path):
    data, scan = exact(0.0, 60, 180.0, columns=240)
    path = write(
        tmp_path / "scan.h5",
        exchange__data=(data.transpose(1, 0, 2), {"axes": "y:theta:x"}),
        exchange__theta=(np.deg2rad(scan.angles_deg), {"units": "radians"}),
        measurement__instrument__detector__actual_pixel_size_x=(3.5, {"units": "um"}),
    )
    (raw,) = data_exchange.read(path)
    assert raw.signal == "line_integrals"
    assert raw.geometry.shape == (60, 1, 240)
    assert raw.geometry.column_spacing_mm == pytest.approx(0.0035)
    assert np.allclose(raw.geometry.angles_deg, scan.angles_deg)
    assert np.allclose(raw.data, data)
    assert raw.description == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"exchange__data": None}, "exchange/data: is missing"),
        ({"exchange__theta": None}, "exchange/theta: is missing"),
        ({"exchange__theta": (np.arange(59.0), {})}, "has 59 angles for 60 views"),
        ({"exchange__theta": (np.full(60, np.nan), {})}, "exchange/theta: holds values that are not finite"),
        ({"exchange__theta": (np.zeros((60, 2)), {})}, "expected a list of angles"),
        ({"exchange__theta": (b"none", {})}, "expected a list of angles"),
        ({"exchange__theta": (np.full(60, 45.0), {})}, "exchange/theta: holds one angle only"),
        ({"exchange__theta": (np.arange(60) * 360.0, {})}, "exchange/theta: holds one angle only"),
        ({"exchange__theta": (np.full(60, b"x"), {})}, r"exchange/theta: is \|S1 \(60,\); expected a list of angles"),
        ({"exchange__data_white": None}, r"exchange/data_white: is missing; exchange/data are counts \(uint16\)"),
        ({"exchange__data_white": (np.full((3, 1, 240), 100), {})}, "flat_field: is 0 counts above the dark field"),
        ({"exchange__data_white": (np.full((3, 1, 240), 7), {})}, "flat_field: is -93 counts above the dark field"),
        ({"exchange__data": (np.zeros((60, 240)), {})}, "is not a filled three-dimensional dataset"),
        ({"exchange__data": (np.zeros((60, 0, 240)), {})}, "is not a filled three-dimensional dataset"),
        ({"exchange__data": (np.full((60, 1, 240), np.nan), {})}, "data: holds 14400 values that are not finite"),
        ({"exchange__data": (np.zeros((60, 1, 240), complex), {})}, "holds complex128"),
        ({"exchange__data_white": (np.zeros((3, 1, 100)), {})}, r"exchange/data_white: has frames of \(1, 100\)"),
    ],
)
def test_broken_files_are_refused_in_one_line(tmp_path, changes, words):
    path = write(tmp_path / "broken.h5", **good(**changes))
    with pytest.raises(InvalidInputError, match=words) as caught:
        data_exchange.read(path)
    assert "broken.h5" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_truncated_and_empty_files_are_refused(tmp_path):
    whole = write(tmp_path / "whole.h5", **good()).read_bytes()
    for size in (0, 100, len(whole) // 2):
        path = tmp_path / f"cut{size}.h5"
        path.write_bytes(whole[:size])
        with pytest.raises(InvalidInputError, match="cannot be read as Data Exchange") as caught:
            data_exchange.read(path)
        assert "\n" not in str(caught.value)


def test_a_size_that_cannot_be_is_refused_before_memory_is_taken(tmp_path):
    path = tmp_path / "huge.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("exchange/data", shape=(100_000, 2048, 2048), dtype="f4", chunks=(1, 2048, 2048))
        file["exchange/theta"] = np.arange(100_000.0)
    with pytest.raises(InvalidInputError, match="exchange/data: claims 1677721600000 bytes"):
        data_exchange.read(path)


def test_sizes_are_compared_before_views_are_read(tmp_path, monkeypatch):
    """A flat field that does not fit is found by its shape alone: none of the arrays is read for that."""
    monkeypatch.setattr(data_exchange, "_array", lambda dataset: pytest.fail(f"{dataset.name} was read"))
    path = write(tmp_path / "scan.h5", **good(exchange__data_dark=(np.zeros((2, 1, 7), np.uint16), {})))
    with pytest.raises(InvalidInputError, match=r"exchange/data_dark: has frames of \(1, 7\); expected \(1, 240\)"):
        data_exchange.read(path)


def test_views_in_another_file_are_refused(tmp_path):
    (tmp_path / "secret").write_bytes(bytes(60 * 240))
    path = write(tmp_path / "scan.h5", **good(exchange__data=None))
    with h5py.File(path, "r+") as file:
        file.create_dataset(
            "exchange/data", (60, 1, 240), np.uint8, external=[(str(tmp_path / "secret"), 0, h5py.h5f.UNLIMITED)]
        )
    with pytest.raises(InvalidInputError, match="exchange/data: is stored in another file"):
        data_exchange.read(path)


def test_the_centre_of_rotation_can_be_given(tmp_path):
    """The parameter does what the file's own axis does, and moves a picture that was made about another."""
    data, scan = exact(-4.0, 60, 180.0, columns=240)
    right = xray.Sinogram(data=data, geometry=scan)
    wrong = xray.Sinogram(data=data, geometry=replace(scan, column_offset_mm=0.0))
    asked = {"matrix": 32, "field_of_view_mm": 200.0}
    expected = xray.reconstruct(right, "fbp", **asked).array
    for method, more in (("fbp", {}), ("sirt", {"iterations": 2})):
        about = xray.reconstruct(wrong, method, centre_of_rotation_px=scan.centre_of_rotation_px, **asked, **more)
        assert np.allclose(about.array, xray.reconstruct(right, method, **asked, **more).array, atol=1e-6)
    assert np.abs(xray.reconstruct(wrong, "fbp", **asked).array - expected).max() > 0.1 * expected.max()
    with pytest.raises(InvalidInputError, match="centre_of_rotation_px: is 240; expected 0 to 239"):
        xray.reconstruct(wrong, "fbp", centre_of_rotation_px=240)


@pytest.mark.parametrize("method", ["fbp", "sirt", "cgls", "tv"])
def test_images_larger_than_memory_are_refused(method, monkeypatch):
    """On a machine of 256 MiB: 4096 x 4096 pixels of one slice take 0.06 GiB in every array that a method holds."""
    monkeypatch.setattr(prepare.os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 1 << 16}.get)
    data, scan = exact(0.0, 20, 180.0, columns=32)
    raw = xray.Sinogram(data=data, geometry=scan)
    with pytest.raises(InvalidInputError, match=r"matrix: is 4096: .* need .* at most 0.1 GiB, 60 % of this machine"):
        xray.reconstruct(raw, method, matrix=4096)
