"""Broken raw-data files of every modality's formats, as a user of the command line meets them."""

import re

import h5py
import numpy as np
import pytest
from tests.bad_input.cases import RANDOM, case, kspace, one_line
from tests.modalities.nuclear.test_interfile import write as write_interfile

from pellucid.modalities.mr.writers import write_cfl, write_ismrmrd

ISMRMRD, TWIX, BART, NUMPY, EXCHANGE, INTERFILE = {}, {}, {}, {}, {}, {}


def rewritten(path, change):
    """The file with its bytes changed."""
    path.write_bytes(change(path.read_bytes()))
    return path


# ISMRMRD


def ismrmrd_file(folder, change=None):
    path = folder / "x.h5"
    write_ismrmrd(kspace(), path)
    if change:
        with h5py.File(path, "r+") as file:
            change(file)
    return path


@case(ISMRMRD, "empty", "x.mrd: is empty")
def _(folder):
    (folder / "x.mrd").write_bytes(b"")
    return folder / "x.mrd"


@case(ISMRMRD, "cut off", r"x.h5: cannot be read as ISMRMRD: has ")
def _(folder):
    return rewritten(ismrmrd_file(folder), lambda data: data[: len(data) // 2])


@case(ISMRMRD, "cut off early", "as ISMRMRD: has 100 bytes; its header says ")
def _(folder):
    return rewritten(ismrmrd_file(folder), lambda data: data[:100]).rename(folder / "x.mrd")


@case(ISMRMRD, "readouts of other fields", "/dataset/data: has no traj, data; expected a list of readouts")
def _(folder):
    def change(file):
        rows = file["dataset/data"][:]
        del file["dataset/data"]
        file["dataset/data"] = rows[["head"]]

    return ismrmrd_file(folder, change)


@case(ISMRMRD, "header that is a number", "/dataset/xml: is int64 (1,); expected the header's text")
def _(folder):
    def change(file):
        del file["dataset/xml"]
        file["dataset/xml"] = np.array([7])

    return ismrmrd_file(folder, change)


@case(ISMRMRD, "text", "its name says ISMRMRD")
def _(folder):
    (folder / "x.mrd").write_text("not HDF5")
    return folder / "x.mrd"


@case(ISMRMRD, "no readouts", "data")
def _(folder):
    def change(file):
        del file["dataset/data"]

    return ismrmrd_file(folder, change)


@case(ISMRMRD, "broken header", "xml: is not XML: it breaks off or breaks the rules at line 1, column")
def _(folder):
    def change(file):
        file["dataset/xml"][0] = b"<ismrmrdHeader><encoding>"

    return ismrmrd_file(folder, change)


@case(ISMRMRD, "no encoding", "xml: encoding: is missing")
def _(folder):
    def change(file):
        file["dataset/xml"][0] = b"<ismrmrdHeader></ismrmrdHeader>"

    return ismrmrd_file(folder, change)


@case(ISMRMRD, "NaN", "not finite")
def _(folder):
    def change(file):
        rows = file["dataset/data"][:]
        for row in rows:
            row["data"][:] = np.nan
        file["dataset/data"][:] = rows

    return ismrmrd_file(folder, change)


@case(ISMRMRD, "image beyond memory", "image_shape: is (1, 100000, 100000)")
def _(folder):
    def change(file):
        head, recon, tail = file["dataset/xml"][0].decode().partition("<reconSpace>")
        for axis in "xy":
            tail = re.sub(f"<{axis}>8</{axis}>", f"<{axis}>100000</{axis}>", tail, count=1)
        file["dataset/xml"][0] = (head + recon + tail).encode()

    return ismrmrd_file(folder, change)


@case(ISMRMRD, "data elsewhere", "dataset/data: is a link to another file")
def _(folder):
    def change(file):
        del file["dataset/data"]
        file["dataset/data"] = h5py.ExternalLink("other.h5", "data")

    return ismrmrd_file(folder, change)


# Siemens twix: only scanners write it, so a real scan is spoilt


@case(TWIX, "cut off", "gre.dat: ")
def _(folder, real_data):
    data = real_data("mr/raw/siemens_twix/gre.dat").read_bytes()
    (folder / "gre.dat").write_bytes(data[: len(data) // 2])
    return folder / "gre.dat"


@case(TWIX, "headers only", "gre.dat: ")
def _(folder, real_data):
    (folder / "gre.dat").write_bytes(real_data("mr/raw/siemens_twix/gre.dat").read_bytes()[:12000])
    return folder / "gre.dat"


@case(TWIX, "directory that points nowhere", "gre.dat: ")
def _(folder, real_data):
    data = bytearray(real_data("mr/raw/siemens_twix/gre.dat").read_bytes())
    data[16:24] = (2**62).to_bytes(8, "little")  # where the first measurement begins
    (folder / "gre.dat").write_bytes(data)
    return folder / "gre.dat"


@case(TWIX, "echo-planar", "epi.dat: ")
def _(folder, real_data):
    (folder / "epi.dat").write_bytes(real_data("mr/raw/siemens_twix/epi.dat").read_bytes())
    return folder / "epi.dat"


@case(TWIX, "noise", "x.dat: is in no known format: its name says Siemens twix")
def _(folder):
    (folder / "x.dat").write_bytes(b"\xff" * 64 + RANDOM)
    return folder / "x.dat"


# BART


def bart_file(folder, header=None, data=None):
    write_cfl(kspace(), folder / "x")
    if header is not None:
        (folder / "x.hdr").write_text(header)
    if data is not None:
        (folder / "x.cfl").write_bytes(data)
    return folder / "x.hdr"


@case(BART, "data cut off", "has 100 bytes; its header's 8 x 8 x 2 complex floats take 1024")
def _(folder):
    return bart_file(folder, data=bytes(100))


@case(BART, "no data", "x.hdr: is one half of a BART array; the other, x.cfl with the samples, is missing")
def _(folder):
    path = bart_file(folder)
    (folder / "x.cfl").unlink()
    return path


@case(BART, "no header", "x.cfl: is one half of a BART array; the other, x.hdr with the dimensions, is missing")
def _(folder):
    bart_file(folder).unlink()
    return folder / "x.cfl"


@case(BART, "absurd size", "complex floats take")
def _(folder):
    return bart_file(folder, "# Dimensions\n2000000000 2000000000 2000000000\n")


@case(BART, "negative size", "# Dimensions: is '-8 8 1 2'; expected up to 16 numbers > 0")
def _(folder):
    return bart_file(folder, "# Dimensions\n-8 8 1 2\n")


@case(BART, "no size", "# Dimensions: is missing")
def _(folder):
    return bart_file(folder, "# Dimensions\n")


@case(BART, "zero", "samples: is zero everywhere")
def _(folder):
    return bart_file(folder, data=bytes(1024))


@case(BART, "NaN", "samples: holds 128 values that are not finite")
def _(folder):
    return bart_file(folder, data=np.full(256, np.nan, np.float32).tobytes())


@case(BART, "unknown axis", "expected readout, two phase encodings, coils and slices only")
def _(folder):
    return bart_file(folder, "# Dimensions\n8 8 1 1 2 1 1 1 1 1 1 1 1 1 1 1\n")


# NumPy


@case(NUMPY, "cut off", "x.npy: shape: has 1102 bytes; complex64 (2, 8, 8) takes 1152. Truncated?")
def _(folder):
    np.save(folder / "x.npy", np.ones((2, 8, 8), np.complex64))
    return rewritten(folder / "x.npy", lambda data: data[:-50])


@case(NUMPY, "real", "x.npy: is in no known format")
def _(folder):
    np.save(folder / "x.npy", np.ones((2, 8, 8), np.float32))
    return folder / "x.npy"


@case(NUMPY, "two axes", "expected complex (coil, [partition,] line, readout)")
def _(folder):
    np.save(folder / "x.npy", np.ones((8, 8), np.complex64))
    return folder / "x.npy"


@case(NUMPY, "header cut off", "x.npy: header: is cut off or damaged")
def _(folder):
    np.save(folder / "x.npy", np.ones((2, 8, 8), np.complex64))
    return rewritten(folder / "x.npy", lambda data: data[:90])


@case(NUMPY, "pickle", "x.npy: ")
def _(folder):
    np.save(folder / "x.npy", np.array([print, "c8"], dtype=object), allow_pickle=True)
    return folder / "x.npy"


# Data Exchange


def exchange_file(folder, change=None, views=6):
    with h5py.File(folder / "x.h5", "w") as file:
        group = file.create_group("exchange")
        group["data"] = np.full((views, 2, 9), 100, np.uint16)
        group["data_white"] = np.full((3, 2, 9), 200, np.uint16)
        group["data_dark"] = np.zeros((3, 2, 9), np.uint16)
        group["theta"] = np.linspace(0, 180, views, endpoint=False)
        if change:
            change(group)
    return folder / "x.h5"


@case(EXCHANGE, "cut off", "x.h5: cannot be read as Data Exchange: has ")
def _(folder):
    return rewritten(exchange_file(folder, views=40), lambda data: data[: len(data) // 2])


@case(EXCHANGE, "no views", "exchange/data: is missing")
def _(folder):
    def change(group):
        del group["data"]

    return exchange_file(folder, change)


@case(EXCHANGE, "no angles", "exchange/theta: is missing")
def _(folder):
    def change(group):
        del group["theta"]

    return exchange_file(folder, change)


@case(EXCHANGE, "too few angles", "exchange/theta: has 5 angles for 6 views")
def _(folder):
    def change(group):
        del group["theta"]
        group["theta"] = np.zeros(5)

    return exchange_file(folder, change)


@case(EXCHANGE, "angles of NaN", "exchange/theta: holds values that are not finite")
def _(folder):
    def change(group):
        group["theta"][...] = np.nan

    return exchange_file(folder, change)


@case(EXCHANGE, "views of NaN", "not finite")
def _(folder):
    def change(group):
        del group["data"]
        group["data"] = np.full((6, 2, 9), np.nan, np.float32)

    return exchange_file(folder, change)


@case(EXCHANGE, "text", "exchange/data: ")
def _(folder):
    def change(group):
        del group["data"]
        group["data"] = "hello"

    return exchange_file(folder, change)


@case(EXCHANGE, "flat field of another size", "x.h5: ")
def _(folder):
    def change(group):
        del group["data_white"]
        group["data_white"] = np.full((3, 2, 8), 200, np.uint16)

    return exchange_file(folder, change)


@case(EXCHANGE, "a bomb", "exchange/data: claims 20000000000000 bytes")
def _(folder):
    def change(group):
        del group["data"]
        group.create_dataset("data", (100000, 100000, 1000), np.uint16, chunks=(1, 100, 1000))

    return exchange_file(folder, change)


# Interfile

INTERFILE_EDITS = {
    "a word for a number": (("matrix size [1] := 9", "matrix size [1] := nine"), "matrix size [1]: is 'nine"),
    "no rings": (("Number of rings ", "Number of things "), "number of rings: is missing from the header"),
    "no data file": (("data file := test.s", "data file := other.s"), "names 'other.s', which cannot be read"),
    "file elsewhere": (("data file := test.s", "data file := ../test.s"), "expected a file beside the header"),
    "uneven segments": (("{ 0,1,-1}\nmaximum", "{ 0,1}\nmaximum"), "ring differences"),
    "wrong planes": (("{ 4,3,3}", "{ 4,3,2}"), "axial coordinate: are [4, 3, 2]"),
    "absurd size": (("matrix size [1] := 9", "matrix size [1] := 900000000"), "test.hs"),
    "SPECT": (("type of data := PET", "type of data := Tomographic"), "SPECT and planar data are not handled"),
    "odd numbers": (("number format := float", "number format := bit"), "is 'bit'; expected one of"),
}
for _name, (_edit, _message) in INTERFILE_EDITS.items():
    INTERFILE[_name] = lambda folder, edit=_edit: write_interfile(folder, edit=[edit]), _message


@case(INTERFILE, "data cut off", "has 100 bytes; the header wants 2880")
def _(folder):
    return write_interfile(folder, data=bytes(100))


@case(INTERFILE, "NaN", "not finite")
def _(folder):
    return write_interfile(folder, data=np.full(720, np.nan, "<f4").tobytes())


@case(INTERFILE, "first line alone", "test.hs: ")
def _(folder):
    (folder / "test.hs").write_text("!INTERFILE :=\n!imaging modality := PT\n")
    return folder / "test.hs"


FILES = {
    f"{title} {name}": entry
    for title, table in {
        "ISMRMRD": ISMRMRD, "twix": TWIX, "BART": BART, "NumPy": NUMPY, "Data Exchange": EXCHANGE,
        "Interfile": INTERFILE,
    }.items()
    for name, entry in table.items()
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(FILES))
def test_bad_file_is_refused_in_one_line(name, tmp_path, capsys, real_data):
    make, message = FILES[name]
    takes_real_data = "real_data" in make.__code__.co_varnames[: make.__code__.co_argcount]
    path = make(tmp_path, real_data) if takes_real_data else make(tmp_path)
    line = one_line(["info", path], capsys)
    assert message in line
    assert str(path.with_suffix("")) in line
