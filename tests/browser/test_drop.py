"""Files, folders, archives and raw data of scanners dropped on the page, by Chromium's own drag and drop."""

import zipfile
from pathlib import Path

import pytest
from tests.archive.samples import dicom

from .signals import kspace, write


def instances(folder: Path, study: int, count: int, patient: str) -> list[Path]:
    """A series, a file an instance."""
    folder.mkdir(parents=True)
    for number in range(1, count + 1):
        (folder / f"{number}.dcm").write_bytes(dicom(study=study, instance=number, PatientName=patient))
    return sorted(folder.iterdir())


def arrived(viewer, patient: str) -> int:
    """Wait for a study, open it, and say how many pictures its series has."""
    viewer.page.click(f"a.study-link:text-is('{patient}')")
    return int(viewer.page.inner_text(".strip-title .soft"))


@pytest.mark.slow
def test_files_are_taken_anywhere_on_the_page(viewer, tmp_path) -> None:
    viewer.open("/")
    signal = write(kspace("Dropped signal", slices=2, size=32), tmp_path)
    viewer.drop(signal, *instances(tmp_path / "series", 301, 2, "Dropped files"), onto="section.studies")
    viewer.page.wait_for_selector("a.study-link:text-is('Dropped signal')")
    assert arrived(viewer, "Dropped files") == 2


def test_a_folder_is_taken_with_all_below(viewer, tmp_path) -> None:
    """More files than Chromium lists at once (100), and some further down."""
    instances(tmp_path / "outer", 302, 105, "Dropped folder")
    inner = tmp_path / "outer" / "inner" / "most"
    for number, file in enumerate(instances(inner, 303, 3, "Dropped folder"), 200):
        file.write_bytes(dicom(study=302, instance=number, PatientName="Dropped folder"))
    viewer.open("/")
    viewer.drop(tmp_path / "outer")
    assert arrived(viewer, "Dropped folder") == 108


def test_an_empty_folder_is_said(viewer, tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    viewer.open("/")
    viewer.drop(tmp_path / "empty")
    assert "the folder is empty" in viewer.page.inner_text(".message-error")


def test_a_zip_is_unpacked(viewer, tmp_path) -> None:
    with zipfile.ZipFile(tmp_path / "disc.zip", "w") as archive:
        for file in instances(tmp_path / "series", 304, 4, "Dropped zip"):
            archive.write(file, f"DICOM/{file.name}")
    viewer.open("/")
    viewer.drop(tmp_path / "disc.zip")
    assert arrived(viewer, "Dropped zip") == 4


@pytest.mark.parametrize(
    ("file", "where", "least", "most"),
    [
        # A bottle of water with bars of plastic in it fills half of the picture.
        ("mr/raw/siemens_twix/gre.dat", "axial F 54.0 mm", 0.4, 0.6),
        ("xray/tooth_tomopy/tooth.h5", "xy z 0.5 mm", 0.05, 0.15),
    ],
)
def test_raw_data_of_scanners_become_pictures(viewer, real_data, file, where, least, most) -> None:
    """The part of the picture that is bright is that of the water and of the tooth; its corners are dark."""
    signal = real_data(file)
    viewer.open("/")
    viewer.drop(signal)
    done = f".job-done:has(.job-title:text-is('Upload of {signal.name}'))"
    job = viewer.page.wait_for_selector(done, state="attached").get_attribute("data-job")
    (study,) = viewer.page.request.get(f"{viewer.address}/api/jobs/{job}").json()["result"]["study_instance_uids"]
    viewer.page.click(f"a.study-link[href='/study/{study}']")
    viewer.drawn()
    assert viewer.text("position") == where
    picture = viewer.picture("acquired")[..., 0]
    height, width = picture.shape
    square = picture[:, (width - height) // 2 : (width + height) // 2]
    assert least < (square > 90).mean() < most
    assert square[-height // 8 :, : height // 8].max() < 90
