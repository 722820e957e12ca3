"""Images of the server in a page with Cornerstone's own DICOM loader (MIT), which many viewers are made with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.archive.samples import dicom, uid
from tools.build_viewer import VIEWER, find_node

from pellucid.codecs import named, transcode

SYNTAXES = ("explicit", "jpeg-ls", "htj2k", "htj2k-any-order")
STUDY = 401
SHAPE = (37, 61)


@pytest.fixture(scope="module")
def page_files(tmp_path_factory) -> Path:
    """The page of viewer/dicom_image_loader with its workers and codecs, bundled into a folder that goes."""
    vite = VIEWER / "node_modules/vite/bin/vite.js"
    if not (VIEWER / "node_modules/@cornerstonejs/dicom-image-loader").is_dir():
        pytest.skip("the viewer's development packages are not installed (make install installs them)")
    target = tmp_path_factory.mktemp("dicom_image_loader")
    options = ("--base", "./", "--outDir", str(target), "--emptyOutDir", "--logLevel", "error", "--minify", "false")
    find_node().run(vite, "build", "dicom_image_loader", *options)
    return target


class Page:
    """That page, as one of the server; `given`: its files that were asked for."""

    def __init__(self, viewer, files: Path) -> None:
        self.viewer, self.files, self.given = viewer, files, []
        viewer.page.route("**/loader/**", self._give)
        viewer.open("/loader/index.html")
        viewer.page.wait_for_function("() => globalThis.load")

    def _give(self, route) -> None:
        self.given.append(route.request.url.split("/loader/")[1])
        route.fulfill(path=self.files / self.given[-1])

    def store(self, file: bytes) -> None:
        answer = self.viewer.page.request.post(
            f"{self.viewer.address}/dicom-web/studies", data=file, headers={"content-type": "application/dicom"}
        )
        assert answer.ok, answer.text()

    def load(self, image: str, metadata: str) -> tuple[np.ndarray, float, float]:
        """Stored values `[row, column]`, slope and intercept, as the loader gives them."""
        found = self.viewer.page.evaluate("([image, metadata]) => load(image, metadata)", [image, metadata])
        return np.reshape(found["pixels"], (found["rows"], found["columns"])), found["slope"], found["intercept"]


@pytest.mark.parametrize("scheme", ["wadors", "wadouri"])
def test_pixels_are_those_that_were_stored(viewer, page_files, scheme) -> None:
    """Each transfer syntax as it was stored, decoded by the loader's own programs, which come with the page."""
    page = Page(viewer, page_files)
    for study, syntax in enumerate(SYNTAXES, STUDY):
        pixels = np.random.default_rng(study).integers(-1500, 3000, SHAPE).astype(np.int16)
        page.store(transcode(dicom(study=study, pixels=pixels, PatientName="Loader"), named(syntax)))
        found, slope, intercept = page.load(*address(viewer.address, study, scheme, named(syntax)))
        np.testing.assert_array_equal(found, pixels, err_msg=syntax)
        assert (slope, intercept) == (1, -1024)
    decoders = [Path(file).name for file in page.given if file.endswith(".wasm")]
    assert [name[:7] for name in decoders] == ["charlsw", "openjph"], "the coded pixels came as they were stored"


def address(server: str, study: int, scheme: str, syntax: str) -> tuple[str, str]:
    """The image's name for the loader, and where its metadata are."""
    place = f"{server}/dicom-web/studies/{uid(study)}/series/{uid(study, 1)}/instances/{uid(study, 1, 1)}"
    if scheme == "wadors":
        return f"wadors:{place}/frames/1", f"{place}/metadata"
    query = f"requestType=WADO&studyUID={uid(study)}&seriesUID={uid(study, 1)}&objectUID={uid(study, 1, 1)}"
    return f"wadouri:{server}/dicom-web/wado?{query}&contentType=application/dicom&transferSyntax={syntax}", ""
