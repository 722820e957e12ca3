"""Captures of videos that are made here."""

import pydicom
import pytest

from pellucid.capture import CaptureContext, CaptureSettings, capture

PATIENT = CaptureContext(patient_id="P1", patient_name="Doe^Jane", patient_sex="F", study_id="S1")


@pytest.fixture
def captured(tmp_path):
    """Call with a source and settings; the data sets."""

    def make(source, context=PATIENT, **settings):
        folder = tmp_path / "captured"
        folder.mkdir(exist_ok=True)
        files = capture(source, context, CaptureSettings(**settings), folder)
        assert sorted(folder.iterdir()) == files
        return [pydicom.dcmread(file) for file in files]

    return make
