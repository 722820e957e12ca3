"""Pictures through the server and back: exact regions, small pictures first, whole codestreams byte for byte."""

import imagecodecs
import numpy as np
import pytest
from tests.jpip.conftest import TARGET
from tests.jpip.encoders import picture


def decoded_by_both(data):
    """OpenJPEG's samples, and OpenJPH's where the codestream is HTJ2K, which must be the same."""
    samples = imagecodecs.jpeg2k_decode(data)
    if b"\xff\x50" in data[:200]:
        np.testing.assert_array_equal(imagecodecs.htj2k_decode(data), samples)
    return samples


@pytest.mark.parametrize("session", [False, True])
@pytest.mark.parametrize("coding", ["", "j2k", "htj2k"])
def test_small_first_then_a_region_then_all(stored, connect, http, coding, session):
    array = picture(700, 900)
    stored(array)
    client = connect(coding=coding, session=session)
    assert client.fetch(reduction=3).complete
    small = client.decode(reduction=3)
    assert small.shape == client.shape(3) == (88, 113)
    np.testing.assert_allclose(small, array[::8, ::8][: small.shape[0], : small.shape[1]], atol=150)
    assert client.fetch(region=(301, 203, 256, 251)).complete
    np.testing.assert_array_equal(client.decode()[203:454, 301:557], array[203:454, 301:557])
    assert not np.array_equal(client.decode(), array)
    assert client.fetch().complete
    whole = http.get(f"/jpip/{coding}".rstrip("/"), params={"target": TARGET, "type": "raw"}).content
    assert client.codestream() == whole
    np.testing.assert_array_equal(decoded_by_both(whole), array)
    before = client.received
    assert client.fetch().complete
    assert client.received - before == 3
    assert before < 1.01 * len(whole) + 1000
