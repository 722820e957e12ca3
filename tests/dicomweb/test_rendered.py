"""Rendered frames: every grey value is the one that PS3.3 C.11 gives."""

import io

import numpy as np
import pydicom
import pytest
from PIL import Image
from tests.archive.samples import dataset, file_bytes, uid

PATH = f"studies/{uid(1)}/series/{uid(1, 1)}/instances/{uid(1, 1, 1)}"
VALUES = np.arange(-200, 1800, 10, dtype=np.int16).reshape(10, 20)
HU = VALUES.astype(float) - 1024
WINDOWED = {"WindowCenter": 40, "WindowWidth": 400}


@pytest.fixture
def store(archive):
    def put(made):
        archive.store(made if isinstance(made, bytes) else file_bytes(made))

    yield put
    archive.delete(uid(1))


def picture(client, path="rendered", accept="image/png", **query):
    response = client.get(f"{PATH}/{path}", params=query, headers={"accept": accept})
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == accept
    return np.asarray(Image.open(io.BytesIO(response.content)))


def linear(values, centre, width):
    """PS3.3 C.11.2.1.2.1, written as there."""
    result = ((values - (centre - 0.5)) / (width - 1) + 0.5) * 255
    result[values <= centre - 0.5 - (width - 1) / 2] = 0
    result[values > centre - 0.5 + (width - 1) / 2] = 255
    return result


def assert_grey(got, expected):
    np.testing.assert_allclose(got, expected, atol=0.51)  # rounding to whole grey values


def test_own_window(client, store):
    store(dataset(pixels=VALUES, **WINDOWED))
    assert_grey(picture(client), linear(HU, 40, 400))


def test_asked_windows(client, store):
    store(dataset(pixels=VALUES, **WINDOWED))
    assert_grey(picture(client, window="-500,300"), linear(HU, -500, 300))
    assert_grey(picture(client, window="-500,300,linear"), linear(HU, -500, 300))
    exact = np.clip((HU + 500) / 300 + 0.5, 0, 1) * 255
    assert_grey(picture(client, window="-500,300,linear-exact"), exact)
    assert_grey(picture(client, window="-500,300,SIGMOID"), 255 / (1 + np.exp(-4 * (HU + 500) / 300)))


def test_window_function_of_the_object(client, store):
    store(dataset(pixels=VALUES, VOILUTFunction="SIGMOID", **WINDOWED))
    assert_grey(picture(client), 255 / (1 + np.exp(-4 * (HU - 40) / 400)))


def test_several_windows_mean_the_first(client, store):
    store(dataset(pixels=VALUES, WindowCenter=[40, -600], WindowWidth=[400, 1200]))
    assert_grey(picture(client), linear(HU, 40, 400))


def test_monochrome1_is_inverted(client, store):
    store(dataset(pixels=VALUES, PhotometricInterpretation="MONOCHROME1", **WINDOWED))
    assert_grey(picture(client), 255 - linear(HU, 40, 400))


def test_no_window_shows_the_range_without_padding(client, store):
    values = np.arange(100, 300, dtype=np.int16).reshape(10, 20)
    values[0, :3] = -2000
    store(dataset(pixels=values, PixelPaddingValue=-2000))
    low, high = np.percentile(values[values > 0], (0.5, 99.5))
    assert_grey(picture(client), np.clip((values - low) / (high - low), 0, 1) * 255)


def test_one_value_everywhere(client, store):
    store(dataset(pixels=np.full((4, 6), 7, np.int16)))
    assert picture(client).shape == (4, 6)


def test_voi_lookup_table(client, store):
    item = pydicom.Dataset()
    item.LUTDescriptor = [256, -1100, 16]
    item.LUTData = (np.arange(256, dtype=np.uint16)[::-1] * 257).tobytes()
    item["LUTData"].VR = "OW"
    store(dataset(pixels=VALUES, VOILUTSequence=[item]))
    expected = np.arange(256)[::-1][np.clip(HU + 1100, 0, 255).astype(int)]
    assert_grey(picture(client), expected)


def test_palette(client, store):
    made = dataset(pixels=np.arange(200, dtype=np.uint8).reshape(10, 20))
    made.PhotometricInterpretation = "PALETTE COLOR"
    tables = {
        name: np.roll(np.arange(256, dtype=np.uint16) * 257, shift)
        for name, shift in (("Red", 0), ("Green", 30), ("Blue", 90))
    }
    for name, table in tables.items():
        setattr(made, f"{name}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(made, f"{name}PaletteColorLookupTableData", table.tobytes())
    store(made)
    got = picture(client)
    for channel, table in enumerate(tables.values()):
        np.testing.assert_array_equal(got[..., channel], (table >> 8)[made.pixel_array])


def test_colour(client, store):
    rgb = np.random.default_rng(0).integers(0, 255, (6, 8, 3)).astype(np.uint8)
    store(dataset(pixels=rgb))
    np.testing.assert_array_equal(picture(client), rgb)


def test_luminance_and_chrominance_become_colour(client, store):
    """ITU-R BT.601 as PS3.3 C.7.6.3.1.2 writes it."""
    made = dataset(pixels=np.full((6, 8, 3), (76, 85, 255), np.uint8))
    made.PhotometricInterpretation = "YBR_FULL"
    store(made)
    assert np.abs(picture(client).astype(int) - (254, 0, 0)).max() <= 1


def enhanced():
    """Two frames with a rescale and a window each, and a shared pixel spacing."""
    made = dataset(pixels=np.stack([VALUES, VALUES]))
    del made.RescaleSlope, made.RescaleIntercept
    made.PerFrameFunctionalGroupsSequence = []
    for slope, intercept, centre in ((1, -1024, 40), (0.5, 100, 300)):
        group, transform, window = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
        transform.RescaleSlope, transform.RescaleIntercept = slope, intercept
        window.WindowCenter, window.WindowWidth = centre, 400
        group.PixelValueTransformationSequence, group.FrameVOILUTSequence = [transform], [window]
        made.PerFrameFunctionalGroupsSequence.append(group)
    return made


def test_every_frame_has_its_own_rescale_and_window(client, store):
    store(enhanced())
    assert_grey(picture(client, "frames/1/rendered"), linear(HU, 40, 400))
    assert_grey(picture(client, "frames/2/rendered"), linear(VALUES * 0.5 + 100, 300, 400))
    np.testing.assert_array_equal(picture(client), picture(client, "frames/1/rendered"))
    assert client.get(f"{PATH}/frames/1,2/rendered", headers={"accept": "image/png"}).status_code == 406
    assert client.get(f"{PATH}/frames/3/rendered").status_code == 404


def test_pixels_that_are_not_square_become_so(client, store):
    """A pixel of 2 mm height and 1 mm width: the picture is twice as high."""
    store(dataset(pixels=VALUES, PixelSpacing=[2, 1], **WINDOWED))
    assert picture(client).shape == (20, 20)


def test_viewport_keeps_the_shape(client, store):
    store(dataset(pixels=VALUES, **WINDOWED))
    assert picture(client, viewport="100,100").shape == (50, 100)
    assert picture(client, viewport="10,4").shape == (4, 8)


def test_viewport_shows_a_region(client, store):
    store(dataset(pixels=VALUES, **WINDOWED))
    whole = picture(client)
    np.testing.assert_array_equal(picture(client, viewport="6,5,3,2,6,5"), whole[2:7, 3:9])
    np.testing.assert_array_equal(picture(client, viewport="6,5,3,2,-6,5"), whole[2:7, 3:9][:, ::-1])
    np.testing.assert_array_equal(picture(client, viewport="6,5,3,2,6,-5"), whole[2:7, 3:9][::-1])


@pytest.mark.parametrize(
    ("region", "rows", "columns"),
    [
        ("15,2,1048576,5", (2, 7), (15, 20)),
        ("-40000,0,40003,1e300", (0, 10), (0, 3)),
        ("5,5,0.2,0.2", (5, 6), (5, 6)),
        ("19.9,9.9,0.1,-0.1", (9, 10), (19, 20)),
    ],
)
def test_a_region_is_cut_at_the_frame_and_has_a_pixel(client, store, region, rows, columns):
    store(dataset(pixels=VALUES, **WINDOWED))
    expected = picture(client)[slice(*rows), slice(*columns)]
    size = f"{expected.shape[1]},{expected.shape[0]}"
    np.testing.assert_array_equal(picture(client, viewport=f"{size},{region}"), expected)


def test_quality(client, store):
    store(dataset(pixels=np.random.default_rng(0).integers(0, 400, (64, 64)).astype(np.int16)))
    sizes = [len(client.get(f"{PATH}/rendered", params={"quality": q}).content) for q in (10, 50, 95)]
    assert sizes == sorted(sizes)
    assert client.get(f"{PATH}/rendered").headers["content-type"] == "image/jpeg"


@pytest.mark.parametrize(
    "level", [f"studies/{uid(1)}", f"studies/{uid(1)}/series/{uid(1, 1)}", PATH, f"{PATH}/frames/1"]
)
def test_thumbnails(client, store, level):
    store(dataset(pixels=np.zeros((300, 500), np.int16), **WINDOWED))
    response = client.get(f"{level}/thumbnail")
    assert Image.open(io.BytesIO(response.content)).size == (128, 77)
    response = client.get(f"{level}/thumbnail", params={"viewport": "64,64"})
    assert Image.open(io.BytesIO(response.content)).size == (64, 38)


def test_a_thumbnail_needs_pixels(client, store):
    store(dataset(PixelData=None))
    assert client.get(f"{PATH}/thumbnail").status_code == 404
    assert client.get(f"{PATH}/rendered").status_code == 404


def test_attributes_that_contradict_each_other(client, store):
    store(dataset(pixels=VALUES, ModalityLUTSequence=[pydicom.Dataset()]))
    assert client.get(f"{PATH}/rendered").status_code == 406


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"window": "40"}, 400),
        ({"window": "40,0"}, 400),
        ({"window": "40,nan"}, 400),
        ({"window": "40,400,cubic"}, 400),
        ({"window": "40,400,linear,1"}, 400),
        ({"viewport": "0,10"}, 400),
        ({"viewport": "10"}, 400),
        ({"viewport": "99999,10"}, 400),
        ({"viewport": "10,10,0,0,0,5"}, 400),
        ({"viewport": "10,10,a,0,5,5"}, 400),
        ({"viewport": "100,100,-40000,0,40000,40000"}, 400),
        ({"viewport": "100,100,20,0,5,5"}, 400),
        ({"viewport": "100,100,0,10,1048576,1048576"}, 400),
        ({"quality": "0"}, 400),
        ({"quality": "x"}, 400),
        ({"accept": "image/tiff"}, 406),
    ],
)
def test_malformed_requests(client, store, query, status):
    store(dataset(pixels=VALUES))
    response = client.get(f"{PATH}/rendered", params=query)
    assert response.status_code == status
    assert response.json()["detail"]


def test_real_images_have_contrast(client, archive, real_data):
    """CT, PET and MR of one patient (TCIA Soft-tissue-Sarcoma through oncoray/mirp)."""
    files = sorted(real_data("dicom/petct_mr_sts001").rglob("*.dcm"))
    with archive.batch() as batch:
        stored = [batch.store(files[index]) for index in (30, 90, 150)]
    for result in stored:
        series = f"studies/{result.study_instance_uid}/series/{result.series_instance_uid}"
        response = client.get(f"{series}/instances/{result.sop_instance_uid}/rendered")
        grey = np.asarray(Image.open(io.BytesIO(response.content)), float)
        assert grey.std() > 20
        assert 0.02 < (grey > 100).mean() < 0.9
    archive.delete(stored[0].study_instance_uid)


def test_float_pixels(client, store):
    """Parametric maps: real numbers, windowed as they are."""
    made = dataset(pixels=np.zeros((4, 6), np.uint16))
    del made.PixelData, made.RescaleSlope, made.RescaleIntercept
    values = np.linspace(0.0, 0.3, 24, dtype=np.float32).reshape(4, 6)
    made.FloatPixelData = values.tobytes()
    made.BitsAllocated = 32
    store(made)
    assert_grey(picture(client, window="0.1,0.2,linear-exact"), np.clip((values - 0.1) / 0.2 + 0.5, 0, 1) * 255)
    assert picture(client).std() > 50
