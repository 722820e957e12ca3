"""The verbs, over a tiny modality of the test's own and real image formats."""

import json
import sys
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Annotated, ClassVar

import numpy as np
import pytest
from tests.bad_input.cases import kspace
from tests.dicom.conftest import make_image

from pellucid import container, modality, verbs
from pellucid.acquisition import Acquisition, require_finite
from pellucid.anatomy import Anatomy
from pellucid.cli.app import run
from pellucid.errors import InvalidInputError, UnknownOptionError, UnsupportedError
from pellucid.image import Image, axial_affine
from pellucid.modality import Method, Modality, Protocol, Reader
from pellucid.parameters import About
from pellucid.progress import Progress, no_progress
from pellucid.testing.same_image import image_gap


@dataclass(frozen=True, kw_only=True, eq=False)
class Whisper(Acquisition):
    modality: ClassVar[str] = "whisper"
    samples: np.ndarray

    def validate(self):
        require_finite(self.samples, "samples")

    def summary(self):
        return {"samples": str(self.samples.size)}

    def signal_views(self):
        return []


@dataclass(frozen=True)
class Settings:
    loudness: Annotated[float, About("how loud", unit="dB", minimum=0, maximum=100)] = 20.0


def amplify(
    raw: Whisper, *, progress: Progress = no_progress, gain: Annotated[float, About("factor", minimum=0)] = 2.0
) -> Image:
    """Louder."""
    progress(1.0)
    array = gain * raw.samples.reshape(1, 1, -1).astype(np.float32)
    return Image(array=array, affine=axial_affine((1, 1, array.size), (1, 1, 1)), quantity="arbitrary", study=raw.study)


def listen(anatomy, settings, *, seed=0, study=None, progress=no_progress):
    samples = np.full(3, settings.loudness) + seed
    return Whisper(samples=samples, **({"study": study} if study else {}))


def read_whisper(path):
    text = path.read_text()
    if "secret" in text:
        raise UnsupportedError("is a secret", file=path)
    try:
        return [Whisper(samples=np.array([float(v) for v in text.split()[1:]]), description=path.stem)]
    except ValueError as error:
        raise InvalidInputError(f"holds no number ({error})", file=path, field="samples") from error


MODALITY = Modality(
    key="whisper",
    title="Whispering",
    acquisitions=(Whisper,),
    readers=(
        Reader("whisper", "Whisper text", (".wsp",), lambda head, name: head.startswith(b"WHISPER"), read_whisper),
    ),
    methods=(Method("amplify", "Amplify", amplify), Method("never", "Never", amplify, refuses=lambda raw: "too quiet")),
    protocols=(Protocol("softly", "Softly", Settings()),),
    scan=listen,
    default_method=lambda raw: "amplify",
)


def refuse(path):
    raise InvalidInputError("is not whistled", file=path, field="pitch")


@pytest.fixture(autouse=True)
def _only_whispers(monkeypatch):
    module = ModuleType("whispering")
    module.MODALITY = MODALITY
    monkeypatch.setitem(sys.modules, "whispering", module)
    monkeypatch.setattr(modality, "_TABLE", {"whisper": "whispering"})
    reference = container._reference
    own = {Whisper: "pellucid.modalities.whisper.acquisition:Whisper"}
    monkeypatch.setattr(container, "_reference", lambda cls: own.get(cls) or reference(cls))


@pytest.fixture
def folder(tmp_path):
    """A signal, a DICOM series, a NIfTI file, and things that are none of these."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one.wsp").write_text("WHISPER 1 2 3")
    (tmp_path / "LICENSE").write_text("do as you like")
    verbs.save(make_image("ct_hu"), tmp_path / "ct")
    verbs.save(make_image("mr_t1"), tmp_path / "t1.nii.gz")
    return tmp_path


def test_everything_in_a_folder_is_found(folder):
    things = verbs.read_all(folder)
    assert [type(thing).__name__ for thing in things] == ["Whisper", "Image", "Image"]
    assert {thing.quantity.name for thing in things[1:]} == {"t1", "ct_number"}


def test_read_wants_exactly_one(folder):
    assert isinstance(verbs.read(folder / "a"), Whisper)
    assert verbs.read(str(folder / "ct")).modality == "CT"
    with pytest.raises(InvalidInputError, match=r"holds 3 signals and images, expected one: whisper signal 'one'; "):
        verbs.read(folder)


def test_nothing_readable_lists_what_was_tried(folder):
    with pytest.raises(InvalidInputError, match=r"LICENSE: is in no known format: tried DICOM, Whisper text \(\.wsp\)"):
        verbs.read(folder / "LICENSE")
    empty = folder / "empty"
    empty.mkdir()
    with pytest.raises(InvalidInputError, match="empty: holds no file of a known format: tried DICOM"):
        verbs.read(empty)
    (empty / "x.wsp").write_text("")
    with pytest.raises(InvalidInputError, match=r"x\.wsp: is empty"):
        verbs.read(empty / "x.wsp")
    (empty / "x.wsp").write_text("shout")
    with pytest.raises(InvalidInputError, match="its name says Whisper text, its content does not"):
        verbs.read(empty / "x.wsp")
    with pytest.raises(InvalidInputError, match="nowhere: does not exist"):
        verbs.read(folder / "nowhere")


def test_broken_file_of_a_known_format_is_refused_in_a_folder_too(folder):
    (folder / "a" / "two.wsp").write_text("WHISPER 1 boo")
    with pytest.raises(InvalidInputError, match=r"two\.wsp: samples: holds no number"):
        verbs.read_all(folder)


def test_a_description_names_broken_files_beside_the_others(folder):
    (folder / "a" / "two.wsp").write_text("WHISPER 1 boo")
    found = verbs.describe(folder)
    assert len(found["found"]) == 3
    (passed_over,) = found["passed_over"]
    assert passed_over.startswith(f"{folder / 'a' / 'two.wsp'}: samples: holds no number")
    with pytest.raises(InvalidInputError, match="holds no number"):
        verbs.describe(folder / "a" / "two.wsp")


def test_the_one_of_a_kind_is_read_beside_others(folder):
    with pytest.raises(InvalidInputError, match="holds 3 signals and images, expected one"):
        verbs.read(folder)
    assert verbs.read(folder, Acquisition).samples.tolist() == [1, 2, 3]
    with pytest.raises(InvalidInputError, match="holds 3 signals and images, expected one"):
        verbs.read(folder, Image)


def test_what_cannot_be_handled_is_passed_over_beside_other_things(folder):
    (folder / "a" / "two.wsp").write_text("WHISPER secret")
    assert len(verbs.read_all(folder)) == 3
    assert verbs.describe(folder)["passed_over"] == [f"{folder / 'a' / 'two.wsp'}: is a secret"]
    with pytest.raises(UnsupportedError, match="is a secret"):
        verbs.read_all(folder / "a" / "two.wsp")


def test_reconstruct_by_name_and_by_default():
    raw = Whisper(samples=np.array([1.0, 2.0]))
    assert verbs.reconstruct(raw).array.ravel().tolist() == [2, 4]
    image = verbs.reconstruct(raw, "amplify", gain="3")
    assert image.array.ravel().tolist() == [3, 6]
    assert image.provenance.parameters == {"gain": 3.0}
    for change, message in [
        ({"method": "amplfy"}, "did you mean 'amplify'"),
        ({"gian": 3}, "unknown parameter of whisper amplify 'gian'"),
        ({"gain": -1}, "gain: is -1; expected a number >= 0"),
        ({"method": "never"}, "never: cannot be used on this acquisition: too quiet"),
    ]:
        with pytest.raises(InvalidInputError, match=message):
            verbs.reconstruct(raw, **change)
    with pytest.raises(InvalidInputError, match="expected a raw signal"):
        verbs.reconstruct(make_image("ct_hu"))


def test_scan_by_protocol():
    patient = Anatomy.__new__(Anatomy)
    assert verbs.scan(patient, "whisper/softly", seed=1).samples.tolist() == [21, 21, 21]
    assert verbs.scan(patient, "whisper", "softly", loudness=5).samples.tolist() == [5, 5, 5]
    for arguments, message in [
        (("whisper/loudly",), "unknown whisper protocol 'loudly'; known: softly"),
        (("softly",), "known: whisper/softly"),
        (("shout", "softly"), "unknown modality 'shout'; known: whisper"),
    ]:
        with pytest.raises(UnknownOptionError, match=message):
            verbs.scan(patient, *arguments)
    with pytest.raises(InvalidInputError, match="loudness: is 101"):
        verbs.scan(patient, "whisper/softly", loudness=101)


def test_saved_things_come_back(tmp_path):
    raw = Whisper(samples=np.array([1.0, 2.0]))
    assert verbs.save(raw, tmp_path / "deep" / "a.pellucid.h5") == [tmp_path / "deep" / "a.pellucid.h5"]
    assert verbs.read(tmp_path / "deep").samples.tolist() == [1, 2]
    image = make_image("mr_signal")
    for name in ("x.nii", "y.nii.gz", "series"):
        paths = verbs.save(image, str(tmp_path / name))
        assert all(path.exists() for path in paths)
        apart, different = image_gap(verbs.read(tmp_path / name), image)
        assert apart < 1e-4
        assert different <= 1e-8


def test_a_second_series_in_the_same_folder_gets_the_next_number(tmp_path):
    verbs.save(make_image("ct_hu"), tmp_path)
    second = verbs.save(make_image("pt_suv"), tmp_path)
    assert second[0].name == "002-1.dcm"
    assert len(verbs.read_all(tmp_path)) == 2


@pytest.mark.parametrize(
    ("thing", "name", "message"),
    [
        ("raw", "a.h5", r"a\.h5: is no place for a raw signal; expected a name ending in \.pellucid\.h5"),
        ("raw", "folder", "is no place for a raw signal"),
        ("image", "a.pellucid.h5", "is no place for an image; expected a folder"),
        ("image", "a.dcm", "is no place for an image"),
        ("image", "a.png", "is no place for an image"),
        ("text", "x", "is a str; expected a signal or an image"),
    ],
)
def test_places_that_cannot_hold_a_thing_are_refused(thing, name, message, tmp_path):
    things = {"raw": Whisper(samples=np.ones(2)), "image": make_image("ct_hu"), "text": "hello"}
    with pytest.raises(InvalidInputError, match=message):
        verbs.save(things[thing], tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_unwritable_place_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    for thing, name in [
        (Whisper(samples=np.ones(2)), "file/a.pellucid.h5"),
        (make_image("ct_hu"), "file"),
        (make_image("ct_hu"), "file/a.nii"),
    ]:
        with pytest.raises(InvalidInputError, match="cannot be written"):
            verbs.save(thing, tmp_path / name)


def test_description_is_plain_data(folder):
    found = json.loads(json.dumps(verbs.describe(folder)))["found"]
    signal, *images = found
    assert signal["kind"] == "signal"
    assert signal["default_method"] == "amplify"
    (method,) = signal["methods"]
    assert (method["name"], method["title"]) == ("amplify", "Amplify")
    (gain,) = method["parameters"]
    assert (gain["name"], gain["default"], gain["minimum"], gain["description"]) == ("gain", 2.0, 0, "factor")
    ct = next(image for image in images if image["modality"] == "CT")
    assert ct["unit"] == "[hnsf'U]"
    assert ct["slices, rows, columns"] == [4, 9, 11]
    assert ct["patient"] == "Müller^Grace^^Dr"


def test_check_says_where_files_break_the_standard(folder, capsys):
    import pydicom

    assert verbs.check(folder) == []
    path = sorted((folder / "ct").iterdir())[0]
    dataset = pydicom.dcmread(path)
    del dataset.ImageType
    dataset.PixelData = dataset.PixelData[:-2]
    dataset.save_as(path)
    assert verbs.check(path) == [
        "ImageType: missing (type 1)",
        "PixelData: has 196 bytes; rows, columns, frames and bits ask for 198",
    ]
    with pytest.raises(InvalidInputError, match="holds no DICOM file"):
        verbs.check(folder / "a")
    capsys.readouterr()
    assert run(["info", str(path), "--check"]) == 1
    assert capsys.readouterr().out.startswith("ImageType: missing (type 1)\n")
    path.unlink()
    assert run(["info", str(folder / "ct"), "--check"]) == 0
    assert capsys.readouterr().out == "valid\n"


def test_file_that_may_be_of_two_formats_goes_to_the_one_that_can_read_it(folder, monkeypatch):
    """The most telling extension decides first; of equals all are tried, and all are named where none fits."""
    whistle = Reader("whistle", "Whistle", (".wsp",), lambda head, name: name.endswith(".wsp"), refuse)
    general = Reader("text", "Any text", (".p",), lambda head, name: True, refuse)
    changed = replace(MODALITY, readers=(general, whistle, *MODALITY.readers))
    monkeypatch.setattr(sys.modules["whispering"], "MODALITY", changed)
    path = folder / "a" / "one.wsp"
    assert verbs.read(path).samples.tolist() == [1, 2, 3]
    path.write_text("WHISPER 1 x")
    with pytest.raises(InvalidInputError) as caught:
        verbs.read(path)
    assert str(caught.value) == (
        f"{path}: cannot be read as Whistle: pitch: is not whistled; "
        "as Whisper text: samples: holds no number (could not convert string to float: 'x')"
    )


def test_header_and_data_of_one_signal_count_once(folder):
    """A format of two files may be read by either; other files of the same name and other numbers stay apart."""
    (folder / "a" / "one.hdr.wsp").write_text("WHISPER 1 2 3")
    assert len(verbs.read_all(folder / "a")) == 1
    (folder / "a" / "one.other.wsp").write_text("WHISPER 1 2 4")
    assert len(verbs.read_all(folder / "a")) == 2


def test_an_unforeseen_failure_of_a_reader_is_one_line_that_names_the_file(tmp_path, monkeypatch):
    def explode(path):
        raise ZeroDivisionError("by surprise")

    monkeypatch.setattr(verbs, "_candidates", lambda file, head: [("Surprise", explode)])
    (tmp_path / "x.dat").write_bytes(b"something")
    with pytest.raises(InvalidInputError) as refused:
        verbs.read(tmp_path / "x.dat")
    reason = "cannot be read as Surprise: it does not hold what that format has (ZeroDivisionError)"
    assert str(refused.value) == f"{tmp_path / 'x.dat'}: {reason}"
    assert isinstance(refused.value.__cause__, ZeroDivisionError)


def test_what_is_there_is_listed_and_printed_in_one_line():
    import pellucid

    assert set(dir(pellucid)) == set(pellucid.__all__)
    with pytest.raises(AttributeError, match=r"no attribute 'load'; it has Acquisition, .*read"):
        _ = pellucid.load
    assert repr(make_image("ct_hu", (5, 4, 3))).startswith("<Image CT")
    assert "5 x 4 x 3 of" in repr(make_image("ct_hu", (5, 4, 3)))
    assert "\n" not in repr(kspace())
    assert "receive coils 2; " in repr(kspace())
