"""Interfile: what is written by hand comes back, what is broken is refused in one line."""

from pathlib import Path

import numpy as np
import pytest

from pellucid import verbs
from pellucid.errors import InvalidInputError, UnsupportedError
from pellucid.modalities.nuclear import MODALITY, reconstruct
from pellucid.modalities.nuclear.readers import interfile

HEADER = """!INTERFILE  :=
!imaging modality := PT
name of data file := {data}
originating system := test
!GENERAL DATA :=
patient orientation := head_in
patient rotation :=  supine
!type of data := PET
imagedata byte order := {order}
!PET STUDY (General) :=
!PET data type := Emission
applied corrections := {{None}}
!number format := {kind}
!number of bytes per pixel := {size}
number of dimensions := 4
matrix axis label [4] := segment
!matrix size [4] := 3
matrix axis label [{view}] := view
!matrix size [{view}] := 8
matrix axis label [{axial}] := axial coordinate
!matrix size [{axial}] := {{ 4,3,3}}
matrix axis label [1] := tangential coordinate
!matrix size [1] := 9 ; a comment
minimum ring difference per segment := {{ 0,1,-1}}
maximum ring difference per segment := {{ 0,1,-1}}
Scanner parameters:=
Scanner type := test
Number of rings                          := 4
Number of detectors per ring             := 32
Inner ring diameter (cm)                 := 12
Average depth of interaction (cm)        := 0.2
Distance between rings (cm)              := 0.5
View offset (degrees)                    := 3
Maximum number of non-arc-corrected bins := 11
end scanner parameters:=
number of time frames := 1
image duration (sec)[1] := 60
!END OF INTERFILE :=
"""
VALUES = np.random.default_rng(0).integers(0, 200, 8 * 9 * 10)


def write(folder, order="LITTLEENDIAN", kind="float", size=4, layout="view", edit=(), data=None):
    axes = {"view": {"view": 3, "axial": 2}, "sinogram": {"view": 2, "axial": 3}}[layout]
    text = HEADER.format(data="test.s", order=order, kind=kind, size=size, **axes)
    for old, new in edit:
        assert old in text
        text = text.replace(old, new)
    code = {"float": "f", "signed integer": "i", "unsigned integer": "u"}[kind]
    dtype = np.dtype(f"{'<' if order == 'LITTLEENDIAN' else '>'}{code}{size}")
    (folder / "test.s").write_bytes(VALUES.astype(dtype).tobytes() if data is None else data)
    path = folder / "test.hs"
    path.write_text(text)
    return path


def read(path):
    (sinogram,) = interfile.read(path)
    return sinogram


@pytest.mark.parametrize("order", ["LITTLEENDIAN", "BIGENDIAN"])
@pytest.mark.parametrize(("kind", "size"), [("float", 4), ("float", 8), ("signed integer", 2), ("unsigned integer", 1)])
def test_number_formats(tmp_path, order, kind, size):
    sinogram = read(write(tmp_path, order, kind, size))
    direct = VALUES[: 8 * 4 * 9].reshape(8, 4, 9)
    assert np.array_equal(sinogram.prompts[:, :, :4], direct.transpose(0, 2, 1)[:, :, ::-1])


@pytest.mark.parametrize(("layout", "place"), [("view", 2 * 4 * 9 + 1 * 9 + 5), ("sinogram", 1 * 8 * 9 + 2 * 9 + 5)])
def test_layouts(tmp_path, layout, place):
    # View 2, plane 1 of segment 0, bin 5.
    sinogram = read(write(tmp_path, layout=layout))
    # Planes run from feet to head here, from head to feet there: plane 1 of 4 is plane 2.
    assert sinogram.prompts[2, 5, 2] == VALUES[place]


def test_geometry_is_the_headers(tmp_path):
    sinogram = read(write(tmp_path))
    sampling, scanner = sinogram.sampling, sinogram.sampling.scanner
    assert (scanner.rings, scanner.crystals_per_ring, scanner.radial_bins) == (4, 32, 11)
    assert (scanner.radius_mm, scanner.ring_pitch_mm, scanner.view_offset_deg) == pytest.approx((62.0, 5.0, 3.0))
    assert sampling.shape == (8, 9, 10)
    assert sampling.view_mashing == 2
    # Rings counted from the other end turn the sign of ring differences.
    assert [segment.mean for segment in sampling.segments] == [0, -1, 1]
    assert sinogram.duration_s == 60
    assert not sinogram.calibrated


def test_arc_corrected_bins(tmp_path):
    width = ("number of time frames", "effective central bin size (cm) := 0.4\nnumber of time frames")
    edit = [("{None}", "{arc correction}"), width]
    sampling = read(write(tmp_path, edit=edit)).sampling
    assert np.allclose(np.diff(sampling.offsets_mm), 4.0)


def test_a_part_of_the_planes_is_the_middle_one(tmp_path):
    """Two of four and one of three planes: where the whole file has its middle ones, first line to last."""
    part = read(write(tmp_path, edit=[("{ 4,3,3}", "{ 2,1,1}")], data=VALUES[: 8 * 9 * 4].astype("<f4").tobytes()))
    whole = read(write(tmp_path)).sampling
    assert part.sampling.shape == (8, 9, 4)
    assert part.sampling.plane_z_mm == pytest.approx(whole.plane_z_mm[[1, 2, 5, 8]])
    assert part.sampling.plane_ring_difference == pytest.approx([0, 0, -1, 1])
    # View 3, bin 5: planes of segment 0 from the feet, then the single planes of the others.
    direct, others = VALUES[:144].reshape(8, 2, 9), VALUES[144:288].reshape(2, 8, 9)
    assert part.prompts[3, 5].tolist() == [direct[3, 1, 5], direct[3, 0, 5], others[0, 3, 5], others[1, 3, 5]]


def test_it_reconstructs(tmp_path):
    image = reconstruct(read(write(tmp_path)), "osem", iterations=1, subsets=2)
    assert image.shape == (7, 9, 9)
    assert image.quantity.name == "arbitrary"


def test_the_modality_recognises_it(tmp_path, real_data):
    def readers(path):
        return [item.name for item in MODALITY.readers if item.sniff(path.read_bytes()[:4096], path.name)]

    assert readers(write(tmp_path)) == ["interfile"]
    assert readers(real_data("nuclear/stir/scatter_cylinder.hs")) == ["interfile"]
    assert readers(real_data("nuclear/stir/test_image_3.hv")) == []
    spect = real_data("nuclear/stir/SPECT/SPECTUB/input.hs")
    assert readers(spect) == ["interfile"]
    with pytest.raises(UnsupportedError, match="type of data: is not PET; SPECT and planar data are not handled"):
        read(spect)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"edit": [("!INTERFILE", "!SOMETHING")]}, InvalidInputError, "test.hs: is no Interfile header"),
        ({"edit": [("test.s", "gone.s")]}, InvalidInputError, "name of data file: names 'gone.s', which cannot"),
        ({"edit": [("test.s", "../test.s")]}, InvalidInputError, "expected a file beside the header"),
        ({"data": b""}, UnsupportedError, "name of data file: names 'test.s'.* it is empty .0 bytes"),
        ({"edit": [("test.s", "test.hs")]}, UnsupportedError, "it is the header itself .* A template without data"),
        ({"edit": [("test.s", "absent.s")]}, UnsupportedError, "it is absent. Give test.hs and absent.s together"),
        ({"edit": [("applied", "data format := CoincidenceList\napplied")]}, UnsupportedError, "format: is list mode"),
        ({"data": b"x" * 2879}, InvalidInputError, "Truncated"),
        ({"data": np.full(720, np.nan, "<f4").tobytes()}, InvalidInputError, "test.hs: prompts: holds 720 values"),
        ({"data": np.full(720, -1, "<f4").tobytes()}, InvalidInputError, "test.hs: prompts: holds -1"),
        ({"edit": [("LITTLEENDIAN", "MIDDLEENDIAN")]}, InvalidInputError, "imagedata byte order: is 'MIDDLEENDIAN'"),
        ({"edit": [(":= float", ":= ascii")]}, UnsupportedError, "number format: is 'ascii'; expected one of float"),
        ({"edit": [("pixel := 4", "pixel := 3")]}, InvalidInputError, "number of bytes per pixel: is 3"),
        ({"edit": [("!matrix size [3] := 8", "!matrix size [3] := 7")]}, InvalidInputError, "is 7; expected a divisor"),
        ({"edit": [("{ 4,3,3}", "{ 4,3,2}")]}, InvalidInputError, "have .4, 3, 3., or as many fewer at either end$"),
        ({"edit": [("{ 4,3,3}", "{ 4,3,5}")]}, InvalidInputError, r"axial coordinate: are .4, 3, 5.; .* .4, 3, 3., or"),
        ({"edit": [("{ 4,3,3}", "{ 0,3,3}")]}, InvalidInputError, r"axial coordinate: are .0, 3, 3.; .* .4, 3, 3., or"),
        ({"edit": [("= { 0,1,-1}\nmax", "= { 0,9,-1}\nmax")]}, InvalidInputError, "segments: -1 to -9 does not exist"),
        ({"edit": [("{ 4,3,3}", "{ 4,3}")]}, InvalidInputError, "segments: lists 3 and 3 ring differences and 2 plane"),
        ({"edit": [(":= 32", ":= x")]}, InvalidInputError, "detectors per ring: is 'x'; expected a number"),
        ({"edit": [(":= 32", ":= 2000000000")]}, InvalidInputError, "crystals_per_ring: is 2000000000; expected an"),
        ({"edit": [("= 4\nNumber of det", "= 1000000000\nNumber of det")]}, InvalidInputError, "rings: is 1000000000"),
        ({"edit": [("Inner ring", "Ring")]}, InvalidInputError, r"inner ring diameter \(cm\): is missing"),
        ({"edit": [("number of dimensions := 4", "number of dimensions := 5")]}, UnsupportedError, "time-of-flight"),
        ({"edit": [("time frames := 1", "time frames := 2")]}, UnsupportedError, "number of time frames: more than"),
        ({"edit": [(":= Emission", ":= Transmission")]}, UnsupportedError, "PET data type: is transmission"),
        ({"edit": [("supine", "prone")]}, UnsupportedError, "only head_in, supine is handled"),
        ({"edit": [("type of data := PET", "type of data := Tomographic")]}, UnsupportedError, "is not PET"),
    ],
)  # fmt: skip
def test_broken_files_are_refused(tmp_path, options, error, message):
    path = write(tmp_path, **options)
    with pytest.raises(error, match=message) as caught:
        interfile.read(path)
    assert "\n" not in str(caught.value)


def test_truth_images_of_the_exercises(real_data):
    emission = interfile.read_image(real_data("nuclear/stir_exercises/EX_simulation_single_slice/emission.hv"))
    attenuation = interfile.read_image(
        real_data("nuclear/stir_exercises/EX_simulation_single_slice/CTAC.hv"), quantity_name="attenuation_coefficient"
    )
    assert emission.shape == attenuation.shape == (1, 155, 155)
    assert emission.spacing_mm == pytest.approx((6.75, 3.129, 3.129))
    # Left to right and front to back as stored; the first pixel where the header puts it.
    assert emission.affine[:2, 3] == pytest.approx([-240.933, -240.933])
    assert 0.09 < np.median(attenuation.array[attenuation.array > 0.05]) < 0.11


def test_slices_of_images_are_turned_head_up(real_data):
    path = real_data("nuclear/stir/test_image_3.hv")
    image = interfile.read_image(path)
    stored = np.fromfile(path.with_suffix(".v"), "<f4").reshape(31, 97, 97)
    assert np.array_equal(image.array, stored[::-1])
    assert image.points_lps_mm((15, 48, 48)) == pytest.approx((0, 0, 0))


def test_templates_do_not_keep_a_folder_from_being_read(real_data):
    """Five of the headers in this folder describe a scanner and have no data."""
    found = verbs.read_all(real_data("nuclear/stir"))
    assert "scatter_cylinder" in {Path(source).stem for thing in found for source in thing.provenance.sources}
