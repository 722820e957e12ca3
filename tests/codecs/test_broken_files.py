"""Broken DICOM files end in one line, quickly, whatever is broken."""

import time

import numpy as np
import pytest
from tests.codecs.made import BIG, EXPLICIT, IMPLICIT, file_of, pixels
from tests.codecs.test_sandbox import mutations

from pellucid.codecs import Lossy, Options, named, transcode
from pellucid.codecs.sandbox import Sandbox, WorkerLimits
from pellucid.errors import PellucidError


def originals():
    grey, colour = pixels(1, (3, 20, 30)), pixels(2, (1, 20, 30, 3), 8, 8, photometric="RGB")
    made = [file_of(grey, syntax) for syntax in (EXPLICIT, IMPLICIT, BIG)] + [file_of(colour)]
    made += [transcode(file_of(grey), named(short)) for short in ("deflated", "rle", "jpeg-ls", "htj2k", "jpeg2000")]
    return [*made, transcode(file_of(colour), named("jpeg"), Options(lossy=Lossy()))]


def fuzz(seconds):
    rng, refused, made, messages = np.random.default_rng(1), 0, originals(), set()
    targets = [named(short) for short in ("htj2k", "big-endian", "implicit", "rle", "jpeg-ls", "deflated")]
    # A frame that takes for ever costs its limit and a new process, which takes seconds on a busy machine.
    with Sandbox(1, WorkerLimits(seconds=1.5)) as sandbox:
        sandbox.warm()
        options = Options(converter=sandbox.convert)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for data in made:
                began = time.monotonic()
                try:
                    transcode(mutations(data, rng), targets[rng.integers(len(targets))], options)
                except PellucidError as error:
                    refused += 1
                    messages.add(str(error))
                assert time.monotonic() - began < 5
    assert all(message.isprintable() for message in messages)
    return refused


def test_broken_files():
    assert fuzz(6) > 300


@pytest.mark.slow
def test_many_broken_files():
    fuzz(120)
