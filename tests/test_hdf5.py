"""HDF5 files that point elsewhere, or claim more than they hold, are refused before anything is read."""

import h5py
import numpy as np
import pytest

from pellucid import hdf5
from pellucid.errors import InvalidInputError


def external_storage(file, secret):
    file.create_dataset("group/x", (4,), np.uint8, external=[(str(secret), 0, 4)])


def virtual(file, secret):
    layout = h5py.VirtualLayout((4,), np.uint8)
    layout[:] = h5py.VirtualSource(secret.with_suffix(".h5"), "x", (4,))
    file.create_virtual_dataset("group/x", layout)


def external_link(file, secret):
    file.create_group("group")["x"] = h5py.ExternalLink(str(secret.with_suffix(".h5")), "x")


@pytest.mark.parametrize("make", [external_storage, virtual, external_link])
def test_what_lies_in_another_file_is_refused(make, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"word")
    with h5py.File(secret.with_suffix(".h5"), "w") as file:
        file["x"] = np.frombuffer(b"word", np.uint8)
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        make(file, secret)
    with h5py.File(path) as file:
        assert bytes(file["group/x"][()]) == b"word"  # the library alone would read it
    with pytest.raises(InvalidInputError, match=r"a\.h5: group/x: is .* another file"), hdf5.opened(path):
        pass


def test_links_within_the_file_are_followed(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["one/x"] = np.arange(3)
        file["two"] = h5py.SoftLink("/one/x")
        file["three"] = file["one"]
        file["dangling"] = h5py.SoftLink("/nowhere")
    with hdf5.opened(path) as file:
        assert list(file["two"]) == list(file["three/x"]) == [0, 1, 2]


def test_claims_beyond_what_the_file_can_hold_are_refused(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (2000, 1000, 1000), np.uint16, chunks=(1, 1000, 1000), compression="gzip")
    with pytest.raises(InvalidInputError, match=r"a\.h5: x: claims 4000000000 bytes"), hdf5.opened(path):
        pass
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (1,), np.float32, maxshape=(None,), chunks=(10**9,))
    with pytest.raises(InvalidInputError, match="x: claims 4000000000 bytes"), hdf5.opened(path):
        pass


def test_well_compressed_arrays_are_read(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=np.zeros((200, 256, 256), np.uint16), compression="gzip", compression_opts=9)
        file["again"] = file["x"]
    with hdf5.opened(path) as file:
        assert file["x"][0, 0, 0] == 0
    with pytest.raises(InvalidInputError, match="claims"), hdf5.opened(path, expansion=1):
        pass


@pytest.mark.parametrize("version", ["earliest", "latest"])
def test_what_is_wrong_with_a_file_is_said_in_numbers(version, tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver=version) as file:
        file["x"] = np.arange(100)
    whole = path.read_bytes()
    cases = (
        (whole[:-10], f"has {len(whole) - 10} bytes; its header says {len(whole)}. Truncated?"),
        (whole[:30], "has 30 bytes; its header says more. Truncated?"),
        (b"", "expected HDF5's signature"),
        (b"hello world", "begins with b'hello wo'; expected"),
        (whole[:9] + bytes(3) + whole[12:], f"has all its {len(whole)} bytes, but some"),
    )
    for content, words in cases:
        path.write_bytes(content)
        assert words in hdf5.problem(path, OSError())
        assert words in hdf5.problem(path, RuntimeError())
    for error in (KeyError("x"), RecursionError()):
        assert "not those of the format" in hdf5.problem(path, error)
