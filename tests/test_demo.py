"""The demonstration patient: made once, completed after an interruption, in one frame of reference."""

import pytest

from pellucid import anatomy, demo
from pellucid.archive import Query
from pellucid.errors import CancelledError
from pellucid.server import Platform, Settings


@pytest.fixture
def platform(tmp_path, monkeypatch, block_patient):
    monkeypatch.setattr(anatomy, "brain", lambda: block_patient)
    opened = Platform.open(Settings(data=tmp_path / "data"))
    yield opened
    opened.close()


def series(platform):
    return platform.archive.find(Query("series", {"StudyInstanceUID": demo.STUDY_UID}))


@pytest.mark.slow
def test_every_examination_is_made_once_in_one_frame_of_reference(platform, block_patient):
    made = demo.demonstrate(platform)
    assert len(made["series_instance_uids"]) == len(demo.EXAMINATIONS)
    assert demo.missing(platform) == []
    frames = {
        instance.attributes["00200052"]["Value"][0]
        for instance in platform.archive.find(Query("instance", {"StudyInstanceUID": demo.STUDY_UID}))
        if "00200052" in instance.attributes
    }
    assert frames == {block_patient.study.frame_of_reference_uid}
    assert demo.demonstrate(platform)["series_instance_uids"] == []
    assert len(series(platform)) == len(demo.EXAMINATIONS)


def test_an_interrupted_demonstration_is_completed(platform):
    seen = []

    def stop(fraction, message="", preview=None):
        seen.append(fraction)
        if fraction > 0.6:
            raise CancelledError("stop")

    with pytest.raises(CancelledError):
        demo.demonstrate(platform, stop)
    assert seen == sorted(seen)
    left = demo.missing(platform)
    assert 0 < len(left) < len(demo.EXAMINATIONS)
    demo.demonstrate(platform)
    assert demo.missing(platform) == []
