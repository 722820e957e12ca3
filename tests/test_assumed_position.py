"""Whether the position in the patient is known or assumed: what each reader says, and that it is never lost."""

import json
import re
from dataclasses import replace

import h5py
import numpy as np
import pytest
from tests.browser.signals import kspace
from tests.modalities.mr import test_readers as mr_files
from tests.modalities.nuclear import test_interfile as interfile_files
from tests.modalities.nuclear import test_petlink as petlink_files

import pellucid
from pellucid.cli.app import run
from pellucid.image import axial_affine
from pellucid.modalities.mr import KSpace
from pellucid.modalities.mr.readers import ismrmrd, npy, twix
from pellucid.modalities.mr.writers import write_cfl, write_ismrmrd
from pellucid.modalities.nuclear.readers import interfile
from pellucid.study import StudyContext


def small(**study):
    return kspace("P", slices=3, size=16, coils=2) if not study else with_study(**study)


def with_study(**changes):
    raw = small()
    return replace(raw, study=replace(raw.study, **changes))


def is_marked(raw):
    """Assumed, with no patient position left that could be taken for a known one."""
    assert not raw.position_assumed or raw.study.patient_position == ""
    return raw.position_assumed


def test_bart_and_numpy(tmp_path):
    raw = replace(small(), image_shape=(1, 16, 16), samples=small().samples[:1])
    write_cfl(raw, tmp_path / "k")
    assert is_marked(pellucid.read(tmp_path / "k.cfl"))
    np.save(tmp_path / "k.npy", raw.samples[0, :, 0])
    assert is_marked(npy.read(tmp_path / "k.npy")[0])


def test_data_exchange(tmp_path):
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file["exchange/data"] = np.ones((6, 1, 16), np.float32)
        file["exchange/theta"] = np.arange(6) * 30.0
    raw = pellucid.read(tmp_path / "scan.h5")
    assert is_marked(raw)
    assert is_marked(pellucid.reconstruct(raw, "fbp", matrix=16))


def ismrmrd_file(path, raw, header=None, heads=None):
    write_ismrmrd(raw, path)
    with h5py.File(path, "r+") as file:
        if header:
            text = file["dataset/xml"][0]
            assert re.search(header[0], text)
            file["dataset/xml"][0] = re.sub(header[0], header[1], text)
        if heads:
            rows = file["dataset/data"][:]
            for name in heads:
                rows["head"][name] = 0
            file["dataset/data"][:] = rows
    return ismrmrd.read(path)[0]


@pytest.mark.parametrize(
    ("changes", "assumed"),
    [
        ({}, False),
        ({"header": (rb"<patientPosition>HFS</patientPosition>", b"")}, True),
        ({"heads": ("read_dir",)}, True),
        ({"heads": ("read_dir", "phase_dir", "slice_dir", "position")}, True),
        ({"heads": ("position",)}, False),
        ({"header": (rb"(<fieldOfView_mm>\s*<x>)[^<]*", rb"\g<1>0")}, True),
    ],
    ids=[
        "all stated",
        "no patient position",
        "a direction missing",
        "no place at all",
        "at the isocentre",
        "no lengths",
    ],
)
def test_ismrmrd_states_position_directions_and_lengths(tmp_path, changes, assumed):
    raw = replace(
        small(), samples=small().samples[:1], image_shape=(1, 16, 16), affine=axial_affine((1, 16, 16), (4, 2, 2))
    )
    back = ismrmrd_file(tmp_path / "a.h5", raw, **changes)
    assert is_marked(back) is assumed
    assert assumed or back.study.patient_position == "HFS"
    # A frame of reference that others may share is not claimed for an assumed position.
    assert (back.study.frame_of_reference_uid == raw.study.frame_of_reference_uid) is not assumed


@pytest.mark.parametrize("changes", [{"patient_position": ""}, {"position_assumed": True}])
def test_ismrmrd_is_not_given_a_patient_position_that_is_not_known(tmp_path, changes):
    back = ismrmrd_file(tmp_path / "a.h5", with_study(**changes))
    assert is_marked(back)
    assert np.allclose(back.affine, small().affine)


def test_twix_states_the_turn_of_its_slices(tmp_path):
    scans, _ = mr_files.readouts()
    path = tmp_path / "meas.dat"
    path.write_bytes(mr_files.twix_file("VD", scans))
    (known,) = twix.read(path)
    assert not known.position_assumed
    assert known.study.patient_position == "HFS"
    path.write_bytes(mr_files.twix_file("VD", scans).replace(b"tPatientPosition", b"tUnknownPosition"))
    assert twix.read(path)[0].study.patient_position == "", "none is made up"
    unturned = [(mask, counters, place, (0.0, 0.0, 0.0, 0.0), samples) for mask, counters, place, _, samples in scans]
    path.write_bytes(mr_files.twix_file("VD", unturned))
    assert is_marked(twix.read(path)[0])


@pytest.mark.parametrize(
    ("edit", "assumed"),
    [
        ((), False),
        ([("patient orientation := head_in\n", "")], True),
        ([("patient rotation :=  supine\n", "")], True),
        ([("orientation := head_in", "orientation := unknown")], True),
    ],
)
def test_interfile(tmp_path, edit, assumed):
    raw = interfile_files.read(interfile_files.write(tmp_path, edit=edit))
    assert is_marked(raw) is assumed
    assert is_marked(pellucid.reconstruct(raw, "fbp")) is assumed


def test_interfile_images(real_data):
    assert is_marked(interfile.read_image(real_data("nuclear/stir_exercises/EX_simulation/CTAC_g1.hv")))
    assert not is_marked(interfile.read_image(real_data("nuclear/stir/test_image_5.hv")))


def test_petlink(tmp_path):
    words = [0x80000000, petlink_files.event(173, 7, 5), 0x80000009]
    assert not is_marked(petlink_files.read(petlink_files.write(tmp_path, words)))
    without = petlink_files.HEADER.replace("%patient orientation:=HFS\n", "")
    assert is_marked(petlink_files.read(petlink_files.write(tmp_path, words, without)))


@pytest.mark.parametrize(
    ("name", "assumed"),
    [
        ("mr/raw/bart_pics_brain/ksp.cfl", True),
        ("mr/raw/mrireco_sim/acqDataBrainSim100.h5", True),
        ("mr/raw/siemens_twix/gre.dat", False),
        ("xray/tooth_tomopy/tooth.h5", True),
        ("nuclear/stir/PET_ACQ_small.l.hdr.STIR", False),
    ],
)
def test_real_files(name, assumed, real_data):
    found = pellucid.read_all(real_data(name))
    assert {is_marked(raw) for raw in found} == {assumed}


@pytest.mark.parametrize("assumed", [True, False])
def test_it_survives_file_reconstruction_and_dicom(tmp_path, assumed):
    raw = small()
    if assumed:
        raw = replace(raw, study=raw.study.with_assumed_position())
    pellucid.save(raw, tmp_path / "k.pellucid.h5")
    back = pellucid.read(tmp_path / "k.pellucid.h5")
    assert isinstance(back, KSpace)
    assert back.study == raw.study
    image = pellucid.reconstruct(back)
    assert image.position_assumed is assumed
    pellucid.save(image, tmp_path / "series")
    assert pellucid.read(tmp_path / "series").position_assumed is assumed


def test_signals_stored_before_it_was_known_of_are_read(tmp_path):
    path = tmp_path / "k.pellucid.h5"
    pellucid.save(small(), path)
    with h5py.File(path, "r+") as file:
        study = file["acquisition/study"]
        plain = json.loads(study.attrs["plain"])
        del plain["position_assumed"]
        study.attrs["plain"] = json.dumps(plain)
    assert not pellucid.read(path).position_assumed


@pytest.mark.parametrize("assumed", [True, False])
def test_information_says_it(tmp_path, capsys, assumed):
    raw = small()
    if assumed:
        raw = replace(raw, study=raw.study.with_assumed_position())
    pellucid.save(raw, tmp_path / "k.pellucid.h5")
    pellucid.save(pellucid.reconstruct(raw), tmp_path / "series")
    words = "assumed: the raw data do not say how the subject lay in the scanner"
    for path in ("k.pellucid.h5", "series"):
        assert run(["info", str(tmp_path / path)]) == 0
        assert (words in " ".join(capsys.readouterr().out.split())) is assumed
        assert run(["info", "--json", str(tmp_path / path)]) == 0
        (found,) = json.loads(capsys.readouterr().out)["found"]
        assert ("position" in {key.lower() for key in {**found, **found.get("summary", {})}}) is assumed


def test_a_study_gets_a_frame_of_its_own():
    study = StudyContext(patient_name="Doe^Jane", patient_position="FFP")
    assumed = study.with_assumed_position()
    assert assumed.position_assumed
    assert (assumed.patient_name, assumed.study_instance_uid) == ("Doe^Jane", study.study_instance_uid)
    assert assumed.patient_position == ""
    assert assumed.frame_of_reference_uid != study.frame_of_reference_uid
