"""Decoders in their own processes: broken codestreams, crashes, slow and greedy decoders end in one line."""

import os
import signal
import threading
import time

import numpy as np
import pytest
from tests.codecs.made import EXPLICIT, file_of, pixels

from pellucid.codecs import Conversion, Lossy, Options, PixelForm, named, transcode
from pellucid.codecs.pixel_form import Limits
from pellucid.codecs.sandbox import DecodersBusyError, Sandbox, WorkerLimits
from pellucid.errors import InvalidInputError, PellucidError, UnsupportedError

CODED = ("rle", "deflated-frames", "jpeg-lossless-sv1", "jpeg-ls", "jpeg2000", "htj2k")


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(1) as opened:
        yield opened


def form_of(made):
    rows, columns = made.values.shape[1:3]
    return PixelForm(
        rows=rows, columns=columns, allocated=made.allocated, stored=made.stored, high_bit=made.stored - 1,
        signed=made.signed,
    )  # fmt: skip


def coded(made, short, lossy=None):
    conversion = Conversion(given=EXPLICIT, form=form_of(made), wanted=named(short), lossy=lossy)
    return conversion.of_cells(made.values[0])


def plain(made, short, limits=None):
    return Conversion(given=named(short), form=form_of(made), wanted=EXPLICIT, limits=limits or Limits())


@pytest.mark.parametrize("short", CODED)
def test_the_same_comes_out_as_in_this_process(sandbox, short):
    made = pixels(1, (1, 65, 43))
    assert sandbox.convert(plain(made, short), coded(made, short)) == made.values.tobytes()


def test_instances_transcode_through_it(sandbox):
    data = transcode(file_of(pixels(2, (7, 33, 21))), named("jpeg-ls"))
    options = Options(converter=sandbox.convert, parallel=2)
    assert transcode(data, named("htj2k"), options) == transcode(data, named("htj2k"))


def test_what_it_refuses_is_the_same_error(sandbox):
    made = pixels(3, (1, 9, 9))
    with pytest.raises(InvalidInputError, match=r"^PixelData: a frame is 9 x 9 x 1 in its codestream"):
        sandbox.convert(plain(pixels(3, (1, 9, 10)), "jpeg-ls"), coded(made, "jpeg-ls"))
    conversion = Conversion(given=named("jpeg-ls"), form=form_of(made), wanted=named("jpeg"), lossy=Lossy())
    with pytest.raises(UnsupportedError):
        conversion.require_possible()


def test_a_crashed_decoder_is_an_error_and_is_replaced():
    made = pixels(4, (1, 1500, 1500), 16, 16)
    data = coded(made, "jpeg2000")
    with Sandbox(1) as sandbox:
        sandbox.warm()
        process = sandbox._idle[0]._process
        threading.Timer(0.2, os.kill, (process.pid, signal.SIGSEGV)).start()
        with pytest.raises(InvalidInputError, match="crashed with signal 11"):
            sandbox.convert(plain(made, "jpeg2000"), data)
        small = pixels(5, (1, 9, 9))
        assert sandbox.convert(plain(small, "rle"), coded(small, "rle")) == small.values.tobytes()


def test_slow_and_greedy_decoders_are_stopped():
    made = pixels(6, (1, 2500, 2500), 16, 16)
    data = coded(made, "jpeg2000")
    with (
        Sandbox(1, WorkerLimits(seconds=0.2, bytes_per_second=1e12)) as sandbox,
        pytest.raises(InvalidInputError, match=r"longer than 0.2 s"),
    ):
        sandbox.convert(plain(made, "jpeg2000"), data)
    with Sandbox(1, WorkerLimits(memory_bytes=16 << 20)) as sandbox, pytest.raises(PellucidError):
        sandbox.convert(plain(made, "jpeg2000"), data)


def test_waiting_for_a_decoder_ends():
    made = pixels(7, (1, 2000, 2000), 16, 16)
    data = coded(made, "jpeg2000")
    with Sandbox(1, WorkerLimits(wait_seconds=0.05)) as sandbox:
        sandbox.warm()
        other = threading.Thread(target=sandbox.convert, args=(plain(made, "jpeg2000"), data))
        other.start()
        time.sleep(0.2)
        with pytest.raises(DecodersBusyError, match="busy"):
            sandbox.convert(plain(made, "jpeg2000"), data)
        other.join()


def test_passwords_stay_outside(monkeypatch):
    monkeypatch.setenv("PELLUCID_DATABASE_PASSWORD", "secret")
    with Sandbox(1) as sandbox:
        sandbox.warm()
        with open(f"/proc/{sandbox._idle[0]._process.pid}/environ", "rb") as file:  # noqa: PTH123
            assert b"secret" not in file.read()


def test_bombs_are_refused_before_memory_is_taken(sandbox):
    made = pixels(8, (1, 16, 16))
    form = PixelForm(rows=60000, columns=60000)
    with pytest.raises(InvalidInputError, match="the limits are"):
        form.require_sound(Limits())
    wide = Conversion(
        given=named("deflated-frames"), form=PixelForm(rows=20000, columns=20000), wanted=EXPLICIT, limits=Limits()
    )
    with pytest.raises(InvalidInputError, match="claim to be a frame"):
        sandbox.convert(wide, coded(made, "deflated-frames"))


def mutations(data, rng):
    """The codestream cut, with bytes changed, with a piece twice or left out."""
    changed = bytearray(data)
    kind = rng.integers(4)
    if kind == 0:
        return bytes(changed[: rng.integers(0, len(changed))])
    if kind == 1:
        for place in rng.integers(0, len(changed), rng.integers(1, 8)):
            changed[place] = rng.integers(256)
        return bytes(changed)
    start, stop = sorted(rng.integers(0, min(len(changed), 200), 2))
    return bytes(changed[:stop] + changed[start:]) if kind == 2 else bytes(changed[:start] + changed[stop:])


def fuzz(sandbox, seconds):
    """Broken codestreams of every kind until the time is over; how many decoded all the same, were refused, crashed."""
    rng = np.random.default_rng(0)
    made = pixels(9, (1, 37, 41))
    small = pixels(9, (1, 37, 41), 8, 8)
    originals = [(short, made, coded(made, short)) for short in CODED]
    originals += [
        ("jpeg", small, coded(small, "jpeg", Lossy())),
        ("jpeg-extended", made, coded(made, "jpeg-extended", Lossy())),
    ]
    outcomes = {"decoded": 0, "refused": 0, "lost": 0}
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for short, one, data in originals:
            began = time.monotonic()
            try:
                result = sandbox.convert(plain(one, short), mutations(data, rng))
                assert len(result) == one.values.nbytes
                outcomes["decoded"] += 1
            except InvalidInputError as error:
                outcomes["lost" if "crashed" in str(error) or "longer than" in str(error) else "refused"] += 1
            assert time.monotonic() - began < 5
    return outcomes


def test_broken_codestreams(sandbox):
    outcomes = fuzz(sandbox, 2)
    assert outcomes["refused"] > 100
    assert outcomes["lost"] < outcomes["refused"] / 100


@pytest.mark.slow
def test_many_broken_codestreams(sandbox):
    fuzz(sandbox, 120)
