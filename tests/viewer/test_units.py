"""The viewer's own unit tests, and its numbers against those of other sources."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pydicom.data
import pytest

ROOT = Path(__file__).parents[2]
TRACER = (
    "RadionuclideTotalDose",
    "RadionuclideHalfLife",
    "RadiopharmaceuticalStartTime",
    "RadiopharmaceuticalStartDateTime",
)
PRIVATE = {
    "SUVScaleFactor": "PhilipsSUVScaleFactor",
    "ActivityConcentrationScaleFactor": "PhilipsActivityConcentrationScaleFactor",
}


def run(name: str = "", **variables: str) -> str:
    """Output of the viewer's unit tests; fails where they do."""
    if not (ROOT / "viewer/node_modules/vitest").is_dir():
        pytest.skip("the viewer's packages are not installed (make install installs them)")
    command = [sys.executable, str(ROOT / "tools/build_viewer.py"), "--test", *([name] if name else [])]
    environment = {**os.environ, "NO_COLOR": "1", **variables}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_types_and_units() -> None:
    assert "passed" in run()


def test_palettes_are_those_of_the_standard() -> None:
    """The well-known palettes of DICOM PS3.6 annex B, as files of pydicom."""
    folder = Path(pydicom.data.__file__).parent / "palettes"
    files = {"hot_iron": "hotiron", "pet": "pet", "pet_20_step": "pet20step"}
    tables = {}
    for name, file in files.items():
        data = pydicom.dcmread(folder / f"{file}.dcm")
        channels = [data[f"{colour}PaletteColorLookupTableData"].value for colour in ("Red", "Green", "Blue")]
        tables[name] = np.stack([np.frombuffer(channel, np.uint8) for channel in channels], axis=1).tolist()
    assert "pet_20_step equals its file" in run("palettes", VITE_PALETTES=json.dumps(tables))


def test_uptake_factors_of_several_makers(real_data) -> None:
    """SUVbw factors of headers by CPS, GE, Philips and Siemens (calculate-suv, MIT), to 1 part in a million."""
    folder = real_data("nuclear/calculate_suv")
    expected = json.loads((folder / "expected_suvbw.json").read_text())
    cases = [_case(name, factor, folder / f"metadata/{name}-instances.json") for name, factor in expected.items()]
    output = run("suv", VITE_SUV_CASES=json.dumps(cases))
    for name in expected:
        assert f"'{name}' has its factor" in output


def _case(name: str, factor: float, file: Path) -> dict[str, object]:
    headers = json.loads(file.read_text())
    instances = []
    for header in headers:
        plain = {key: value for key, value in header.items() if key not in TRACER and key != "PhilipsPETPrivateGroup"}
        private = {PRIVATE[key]: float(value) for key, value in header["PhilipsPETPrivateGroup"].items()}
        instances.append({**plain, **private})
    tracer = {key: value for key, value in headers[0].items() if key in TRACER}
    return {"name": name, "expected": factor, "instances": instances, "tracer": tracer}
