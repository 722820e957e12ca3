"""Measured pictures as vendors' encoders wrote them, served whole and by region."""

import io

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.encaps import generate_frames
from starlette.applications import Starlette
from starlette.testclient import TestClient

from pellucid.jpip import Client, routes
from pellucid.jpip.boxes import codestream_of

FILES = [
    "693_J2KR.dcm",
    "HTJ2KLossless_08_RGB.dcm",
    "HTJ2K_08_RGB.dcm",
    "MR2_J2KI.dcm",
    "RG1_J2KI.dcm",
    "RG3_J2KR.dcm",
    "US1_J2KI.dcm",
    "US1_J2KR.dcm",
]


@pytest.mark.parametrize("name", FILES)
def test_stored_codestreams(real_data, archive, name):
    """Lossy ones too: the samples are exactly those of the stored frame."""
    dataset = pydicom.dcmread(real_data(f"dicom/pydicom_data/{name}"))
    frame = next(generate_frames(dataset.PixelData, number_of_frames=int(dataset.get("NumberOfFrames", 1))))
    truth = imagecodecs.jpeg2k_decode(bytes(codestream_of(frame)))
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID"):  # some of these files have none
        dataset.setdefault(keyword, "1.2.3")
    file = io.BytesIO()
    dataset.save_as(file)
    archive.store(file.getvalue())
    with TestClient(Starlette(routes=routes(archive)), base_url="http://localhost") as http:
        address = f"http://localhost/jpip?target=instances/{dataset.SOPInstanceUID}/frames/1"
        part, whole = Client(address, http=http), Client(address, http=http)
        top, left = truth.shape[0] // 2, truth.shape[1] // 3
        part.fetch((left, top, 50, 40))
        inside = np.s_[top : top + 40, left : left + 50]
        np.testing.assert_array_equal(part.decode()[inside], truth[inside])
        whole.fetch()
        np.testing.assert_array_equal(whole.decode(), truth)
        assert part.received <= whole.received
