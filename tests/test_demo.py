"""The demonstration patient: made once, completed after an interruption, in one frame of reference."""

import pytest

from pellucid import anatomy, demo
from pellucid.archive import Query
from pellucid.errors import CancelledError, InvalidInputError
from pellucid.server import Platform, Settings


@pytest.fixture
def platform(tmp_path, monkeypatch, block_patient):
    monkeypatch.setattr(anatomy, "brain", lambda: block_patient)
    opened = Platform.open(Settings(data=tmp_path / "data"))
    yield opened
    opened.close()


def series(platform):
    return platform.archive.find(Query("series", {"StudyInstanceUID": demo.visit(platform).study_instance_uid}))


@pytest.mark.slow
def test_every_examination_is_made_once_in_one_frame_of_reference(platform, block_patient):
    made = demo.demonstrate(platform)
    assert len(made["series_instance_uids"]) == len(demo.EXAMINATIONS)
    assert demo.missing(platform) == []
    frames = {
        instance.attributes["00200052"]["Value"][0]
        for instance in platform.archive.find(
            Query("instance", {"StudyInstanceUID": demo.visit(platform).study_instance_uid})
        )
        if "00200052" in instance.attributes
    }
    assert frames == {demo.visit(platform).frame_of_reference_uid}
    assert demo.demonstrate(platform)["series_instance_uids"] == []
    assert len(series(platform)) == len(demo.EXAMINATIONS)


@pytest.mark.slow
def test_an_interrupted_demonstration_is_completed(platform, monkeypatch):
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
    assert {item.modality for item in left} >= {"nuclear"}
    made = []
    plain = demo.reconstruct

    def counted(raw, **others):
        made.append(raw.modality)
        return plain(raw, **others)

    monkeypatch.setattr(demo, "reconstruct", counted)
    demo.demonstrate(platform)
    assert demo.missing(platform) == []
    # The PET takes its attenuation from the stored series: the CT is not reconstructed again for it.
    assert made == [item.modality for item in left]


def test_two_installations_never_share_an_identifier(tmp_path):
    visits = []
    for name in ("first", "second", "first"):
        platform = Platform.open(Settings(data=tmp_path / name))
        visits.append(demo.visit(platform))
        platform.close()
    assert visits[0] == visits[2]
    for field in ("study_instance_uid", "frame_of_reference_uid"):
        first, second = (getattr(one, field) for one in visits[:2])
        assert first != second


@pytest.mark.parametrize("content", ["", "{", "[]", '{"study": 1}', "3"])
def test_a_visit_that_cannot_be_read_is_said_in_one_line(platform, content):
    (platform.archive.folder / "demonstration.json").write_text(content)
    with pytest.raises(InvalidInputError, match=r"demonstration\.json: does not say which study"):
        demo.missing(platform)
