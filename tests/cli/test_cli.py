"""The command line: exit codes, one-line errors, start-up time."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pellucid import container
from pellucid.cli.app import run
from pellucid.cli.display import parameter_table
from pellucid.image import Image, axial_affine
from pellucid.modalities.mr import KSpace
from pellucid.modality import all_modalities, modality
from pellucid.verbs import save


def call(*arguments, cwd=None):
    command = [sys.executable, "-c", "from pellucid.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=120, check=False)


def processor_seconds():
    """Of the programs that were called so far."""
    spent = os.times()
    return spent.children_user + spent.children_system


def test_help_lists_every_command_quickly():
    call("--help")
    seconds = []
    for _ in range(3):
        start = processor_seconds()
        done = call("--help")
        seconds.append(processor_seconds() - start)
    assert done.returncode == 0
    for command in ("scan", "reconstruct", "info", "convert", "serve", "demo"):
        assert command in done.stdout
    # 0.5 s is the promise, of the clock on an idle machine. Among other tests the clock says how busy it is, so the
    # processor's time is taken; twice that leaves room for cores that share their units.
    assert min(seconds) < 1.0, seconds


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from pellucid.cli.app import run; run(['--help']);"
        "print([m for m in ('numpy', 'numba', 'highdicom', 'pydicom', 'h5py', 'fastapi') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["bogus"], "No such command 'bogus'"),
        (["reconstruct"], "Missing argument"),
        (["reconstruct", "missing.dat", "-o", "out"], "missing.dat"),
        (["info", "missing"], "missing"),
        (["convert", "missing.dcm", "-o", "x.nii.gz"], "missing.dcm"),
        (["scan"], "modality/protocol"),
        (["scan", "mr/nothing", "-o", "x.pellucid.h5"], "known:"),
        (["scan", "--list", "mr/t1_gr"], "did you mean 't1_gre'"),
        (["scan", "--list", "xrya"], "did you mean 'xray'"),
        (["scan", "nothing/t1_gre", "-o", "x.pellucid.h5"], "known: mr, nuclear, xray"),
        (["scan", "mr/t1_gre", "-o", "x.pellucid.h5", "--anatomy", "brian"], "did you mean 'brain'"),
        (["scan", "mr/t1_gre", "-o", "x.pellucid.h5", "--set", "flip"], "expected name=value"),
        (["serve", "--port", "99999"], "port"),
        (["--threads", "0", "info", "x"], "threads"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert words in err
    assert err.count("\n") == 1
    assert "Traceback" not in out + err


def test_version():
    done = call("--version")
    assert done.returncode == 0
    assert done.stdout.strip() == __import__("pellucid").__version__


def test_info_of_an_empty_folder_is_refused_as_json_too(tmp_path):
    done = call("info", tmp_path, "--json")
    assert done.returncode == 2
    assert str(tmp_path) in done.stderr
    with pytest.raises(json.JSONDecodeError):
        json.loads(done.stdout)


def test_memory_that_is_not_there_is_one_line(monkeypatch, capsys):
    def exhausted(*_arguments):
        raise MemoryError("Unable to allocate 298. GiB for an array")

    monkeypatch.setattr("pellucid.verbs.describe", exhausted)
    assert run(["info", "a.h5"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("pellucid: needs more memory than this machine has")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("protocol", "setting"),
    [
        ("nuclear/brain_fdg", "uptake_min=1e12"),
        ("nuclear/brain_fdg", "radial_bins=1000000000"),
        ("nuclear/brain_fdg", "isocentre_left_mm=1e300"),
        ("mr/t1_gre", "repetition_time_ms=1e301"),
        ("mr/t1_gre", "echo_time_ms=1e300"),
        ("mr/t1_gre", "signal_to_noise=1e300"),
    ],
)
def test_absurd_settings_are_refused_by_their_range(protocol, setting, tmp_path, capsys):
    assert run(["scan", protocol, "--set", setting, "-o", str(tmp_path / "a.pellucid.h5")]) == 2
    name, value = setting.split("=")
    line = capsys.readouterr().err.splitlines()[-1]
    assert f"{name}: is '{value}'; expected" in line
    assert "<=" in line


def listed(capsys, *arguments):
    assert run(["scan", "--list", *arguments]) == 0
    return capsys.readouterr().out


def test_every_protocol_is_listed_and_every_setting_explained(capsys):
    text = listed(capsys)
    for owner in all_modalities():
        for protocol in owner.protocols:
            assert f"  {owner.key}/{protocol.name}: {protocol.title}\n" in text
            for parameter in protocol.parameters:
                assert parameter.about.description in text
                value = str(parameter.default).lower() if parameter.default in (None, True, False) else None
                given = value or str(parameter.default)
                assert f"{parameter.name}={given}" in text or f"{parameter.name} = {given} " in text, parameter.name


def test_one_protocol_is_listed_with_its_own_values(capsys):
    lines = listed(capsys, "mr/t2_se").splitlines()
    assert lines[0].startswith("mr/t2_se: T2-weighted")
    rows = {line.split()[0]: line for line in lines[1:]}
    assert set(rows) == {parameter.name for parameter in modality("mr").protocol("t2_se").parameters}
    assert rows["echo_time_ms"].split(maxsplit=7)[1:] == [
        "=",
        "95.0",
        "ms",
        "0.1",
        "to",
        "10000",
        "Time from excitation to echo",
    ]
    assert "whole | none" in rows["slices"]
    assert "spoiled_gradient_echo | spin_echo | inversion_recovery" in rows["sequence"]


def test_ranges_in_words():
    def about(**more):
        row = {"name": "n", "default": None, "unit": "1", "description": "d", "choices": [], "kind": "number"}
        (line,) = parameter_table([{**row, "optional": False, "minimum": None, "maximum": None, **more}])
        return line.strip()

    assert about() == "n = none    any number  d"
    assert about(minimum=0, unit="mm", default=1.5) == "n = 1.5  mm  >= 0  d"
    assert about(maximum=1e6, optional=True) == "n = none    <= 1e+06 | none  d"
    assert about(kind="boolean", default=True) == "n = true    true | false  d"


def help_of(command):
    """The help as one line of words."""
    text = call(command, "--help").stdout
    return " ".join(text.replace("│", " ").split())


def test_help_says_which_input_gives_which_output():
    convert, reconstruct = help_of("convert"), help_of("reconstruct")
    assert "For an image: a folder (for a DICOM series), .nii.gz or .nii. For a raw signal: .pellucid.h5." in convert
    assert "A raw signal, or a folder with one" in reconstruct
    assert "Not an image." in reconstruct
    assert "A folder (for a DICOM series), or a NIfTI file: .nii.gz, .nii." in reconstruct
    for owner in all_modalities():
        for reader in owner.readers:
            assert SAID_AS[reader.name] in reconstruct


# What the help calls each raw format that there is.
SAID_AS = {
    "data_exchange": "Data Exchange HDF5 (CT)",
    "ismrmrd": "ISMRMRD",
    "twix": "Siemens twix .dat",
    "cfl": "BART .cfl with .hdr",
    "npy": "array .npy",
    "interfile": "Interfile",
    "petlink": "list mode (PET)",
}


def test_information_as_json_explains_the_parameters(tmp_path, capsys):
    container.write(small_signal(), tmp_path / "a.pellucid.h5")
    assert run(["info", str(tmp_path), "--json"]) == 0
    (signal,) = json.loads(capsys.readouterr().out)["found"]
    methods = {method.name: method for method in modality("mr").methods}
    offered = {name: method.parameters_for(small_signal()) for name, method in methods.items()}
    assert signal["methods"]
    for method in signal["methods"]:
        assert method["parameters"] == json.loads(json.dumps([p.to_json() for p in offered[method["name"]]]))
    assert run(["info", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    for parameter in offered["fft"]:
        (line,) = {line.strip() for line in text.splitlines() if parameter.about.description in line}
        assert line.startswith(f"{parameter.name} = ")


def test_information_has_units_for_people_and_ucum_for_programs(tmp_path, capsys):
    for quantity, unit, shown in (
        ("ct_number", "[hnsf'U]", "HU"),
        ("attenuation_coefficient", "cm-1", "1/cm"),
        ("mr_signal", "1", "none"),
    ):
        folder = tmp_path / quantity
        array = np.linspace(0.0, 0.4, 60, dtype=np.float32).reshape(3, 4, 5)
        kind = "MR" if quantity == "mr_signal" else "CT"
        save(Image(array=array, affine=axial_affine((3, 4, 5), (5, 2, 2)), quantity=quantity, modality=kind), folder)
        assert run(["info", str(folder)]) == 0
        assert f"unit: {shown}\n" in capsys.readouterr().out
        assert run(["info", str(folder), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["found"][0]["unit"] == unit


def small_signal():
    return KSpace(
        samples=np.ones((1, 1, 1, 8, 8), np.complex64),
        affine=axial_affine((1, 8, 8), (5.0, 2.0, 2.0)),
        image_shape=(1, 8, 8),
        encoded_fov_mm=(5.0, 16.0, 16.0),
        sampled=np.ones((1, 8, 1), bool),
    )


def test_make_lists_its_targets():
    root = Path(__file__).parents[2]
    makefile = (root / "Makefile").read_text()
    # Not as a part of the `make test` that may run this: that one's flags and level would show in the output.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    for command in (["make", "help"], ["make"]):
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=True)
        named = [line.split()[0] for line in done.stdout.splitlines()[1:]]
        (declared,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
        assert named == declared.split()
