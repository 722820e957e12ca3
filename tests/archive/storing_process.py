"""A process that stores instances until it is killed, and says of each on standard output when it is stored.

    python -m tests.archive.storing_process FOLDER

Each line of standard input, a number, starts one that stores the instances from this number on.
"""

import os
import sys
import threading
from pathlib import Path

from tests.archive.raw_dicom import element, identified

from pellucid.archive import Archive

THREADS = 3


def study_of(number):
    return f"1.2.3.{number % 4}"


def instance(number):
    """One of many files: all of it follows from its number."""
    pixels = number.to_bytes(4, "little") * (500 + number % 9 * 4000)
    return identified(b"", element(0x7FE00010, "OW", pixels), study=study_of(number), instance=number)


def store(archive, number):
    while True:
        archive.store(instance(number))
        os.write(1, f"{number}\n".encode())
        number += THREADS


def start(folder, first):
    archive = Archive(Path(folder))
    for thread in range(THREADS):
        threading.Thread(target=store, args=(archive, first + thread)).start()


if __name__ == "__main__":
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            start(sys.argv[1], int(line))
            break
        os.write(1, f"pid {pid}\n".encode())
        os.waitpid(pid, 0)
        os.write(1, b"ended\n")
