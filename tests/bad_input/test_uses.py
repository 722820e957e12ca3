"""Absurd parameters and uses of the command line."""

import os

import pytest
from tests.bad_input.cases import nifti_file, one_line, signal_file

PARAMETERS = {
    "no such method": (["reconstruct", "SIGNAL", "-o", "out", "--method", "fftt"], "did you mean 'fft'"),
    "no such parameter": (["reconstruct", "SIGNAL", "-o", "out", "--set", "itrations=3"], "unknown parameter of mr"),
    "no value": (["reconstruct", "SIGNAL", "-o", "out", "--set", "iterations"], "expected name=value"),
    "no name": (["reconstruct", "SIGNAL", "-o", "out", "--set", "=3"], "expected name=value"),
    "no such place": (["reconstruct", "SIGNAL", "-o", "out.dcm"], "out.dcm: is no place for an image"),
    "image for a signal": (["reconstruct", "IMAGE", "-o", "out"], "holds an image; expected a raw signal"),
    "signal for an image": (["convert", "SIGNAL", "-o", "out.nii"], "is no place for a raw signal"),
    "image into a container": (["convert", "IMAGE", "-o", "out.pellucid.h5"], "is no place for an image"),
    "file for a folder": (["convert", "IMAGE", "-o", "SIGNAL"], "is no place for an image"),
    "below a file": (["convert", "IMAGE", "-o", "x.nii/series"], "a file is where a folder must be"),
    "folder for a file": (["convert", "IMAGE", "-o", "place.nii"], "a folder is where the file must be"),
    "no such protocol": (["scan", "mr/t1_grey", "-o", "out.pellucid.h5"], "did you mean 't1_gre'"),
    "no such modality": (["scan", "mri/t1_gre", "-o", "out.pellucid.h5"], "unknown modality 'mri'"),
    "no such setting": (["scan", "mr/t1_gre", "-o", "out.pellucid.h5", "--set", "flop=3"], "unknown parameter of mr"),
    "text for a number": (
        ["scan", "mr/t1_gre", "-o", "out.pellucid.h5", "--set", "repetition_time_ms=long"],
        "repetition_time_ms: is 'long'; expected a number",
    ),
    "negative time": (
        ["scan", "mr/t1_gre", "-o", "out.pellucid.h5", "--set", "repetition_time_ms=-5"],
        "repetition_time_ms: is '-5'; expected a number >=",
    ),
    "not a number": (
        ["scan", "mr/t1_gre", "-o", "out.pellucid.h5", "--set", "echo_time_ms=nan"],
        "echo_time_ms: is 'nan'; expected a number",
    ),
    "undersampling of a full scan": (
        ["scan", "mr/t1_gre", "-o", "out.pellucid.h5", "--set", "sampling=full", "--set", "acceleration_phase=4"],
        "acceleration_phase: is 4, which does nothing with sampling=full; "
        "it applies to sampling=regular or poisson or radial",
    ),
    "part of a radial scan": (
        ["scan", "mr/t1_radial", "-o", "out.pellucid.h5", "--set", "partial_fourier=0.6"],
        "partial_fourier: is 0.6, which does nothing with sampling=radial; it applies to sampling=full or regular",
    ),
    "second phase axis of a slice": (
        ["scan", "mr/t1_gre", "-o", "out.pellucid.h5", "--set", "sampling=poisson", "--set", "acceleration_slice=4"],
        "acceleration_slice: is 4, which does nothing with sampling=poisson and dimensions=2d; it applies to "
        "sampling=regular and dimensions=3d",
    ),
    "tube voltage of one energy": (
        ["scan", "xray/head", "-o", "out.pellucid.h5", "--set", "source=monoenergetic", "--set", "tube_voltage_kv=80"],
        "tube_voltage_kv: is 80, which does nothing with source=monoenergetic; it applies to source=tube",
    ),
    "rows of a fan": (
        ["scan", "xray/head", "-o", "out.pellucid.h5", "--set", "rows=64"],
        "rows: is 64, which does nothing with beam=fan; it applies to beam=cone",
    ),
    "scatter without attenuation": (
        ["scan", "nuclear/body_fdg", "-o", "out.pellucid.h5", "--set", "attenuation=no", "--set", "scatter=yes"],
        "scatter: is true, which does nothing with attenuation=false; it applies to attenuation=true",
    ),
    "filling where nothing is partial": (
        ["reconstruct", "SIGNAL", "-o", "out", "--method", "fft", "--set", "partial_fourier=zero_fill"],
        "partial_fourier: is zero_fill, but the lines used are not those of a partial Fourier scan: none to fill; "
        "expected homodyne, the default",
    ),
    "no such patient": (["scan", "mr/t1_gre", "-o", "out.pellucid.h5", "--anatomy", "head"], "unknown anatomy 'head'"),
    "no such file": (["convert", "missing.nii", "-o", "out"], "missing.nii: does not exist"),
    "no such command": (["reconstrukt", "SIGNAL"], "No such command"),
    "no output": (["convert", "IMAGE"], "Missing option"),
}


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_absurd_use_is_refused_in_one_line(name, tmp_path, capsys, monkeypatch):
    arguments, message = PARAMETERS[name]
    monkeypatch.chdir(tmp_path)
    places = {"SIGNAL": signal_file(tmp_path), "IMAGE": nifti_file(tmp_path)}
    (tmp_path / "place.nii").mkdir()
    before = sorted(tmp_path.rglob("*"))
    line = one_line([places.get(argument, argument) for argument in arguments], capsys)
    assert message in line
    assert sorted(tmp_path.rglob("*")) == before, "a refused command leaves nothing behind"


def test_a_pipe_is_not_waited_for(tmp_path, capsys):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert f"{pipe}: is a pipe, socket or device; expected a file or folder" in one_line(["info", pipe], capsys)
    assert "is a pipe, socket or device" in one_line(["info", "/dev/zero"], capsys)
