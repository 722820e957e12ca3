"""What is opened, and what is refused: streams, bad files, limits, cancellation, memory."""

import functools
import http.server
import json
import socketserver
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import av
import numpy as np
import pydicom
import pytest
from tests.capture.conftest import PATIENT
from tests.capture.videos import number_of, write

from pellucid.capture import CaptureContext, CaptureSettings, WorkerLimits, capture, capture_apart
from pellucid.errors import CancelledError, InvalidInputError


@pytest.fixture
def web(tmp_path):
    """Address of a web server over the folder."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Rtsp(socketserver.StreamRequestHandler):
    """Just enough of RTSP 1.0 to play one transport stream over its own connection (RFC 2326 section 10.12)."""

    def handle(self):
        while request := self.rfile.readline().decode().strip():
            headers = dict(line.split(": ", 1) for line in iter(lambda: self.rfile.readline().decode().strip(), ""))
            method = request.split()[0]
            more, body = {"Session": "1"}, ""
            if method == "DESCRIBE":
                body = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=video 0 RTP/AVP 33\r\na=control:track\r\n"
                more = {"Content-Type": "application/sdp", "Content-Length": len(body)}
            elif method == "SETUP":
                more["Transport"] = "RTP/AVP/TCP;unicast;interleaved=0-1"
            elif method == "OPTIONS":
                more = {"Public": "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN"}
            lines = [f"{name}: {value}\r\n" for name, value in {"CSeq": headers["CSeq"], **more}.items()]
            self.wfile.write(f"RTSP/1.0 200 OK\r\n{''.join(lines)}\r\n{body}".encode())
            if method == "PLAY":
                self.play()
                return

    def play(self):
        data = self.server.stream
        for number, start in enumerate(range(0, len(data), 7 * 188)):
            packet = struct.pack(">BBHII", 0x80, 33, number & 0xFFFF, 90 * number, 1) + data[start : start + 7 * 188]
            self.wfile.write(b"$\0" + struct.pack(">H", len(packet)) + packet)


def test_an_rtsp_stream(tmp_path, captured):
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Rtsp) as server:
        server.daemon_threads = True
        server.stream = write(tmp_path / "a.ts").read_bytes()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        (made,) = captured(f"rtsp://127.0.0.1:{server.server_address[1]}/camera", stop_s=100)
        server.shutdown()
    numbers = [number_of(frame) for frame in made.pixel_array]
    # The last frames wait in the reader for a packet that would end them.
    assert len(numbers) >= 25
    assert numbers == list(range(len(numbers)))


@pytest.mark.parametrize("kind", ["sc", "video"])
def test_a_stream(tmp_path, captured, web, kind):
    write(tmp_path / "a.ts", times=None)
    (made,) = captured(f"{web}/a.ts", kind=kind, stop_s=100)
    assert made.NumberOfFrames == 30


def test_a_stream_is_stopped_by_hand(tmp_path, web):
    write(tmp_path / "a.ts")
    asked = []

    def stop():
        asked.append(True)
        return len(asked) > 12

    (file,) = capture(f"{web}/a.ts", PATIENT, CaptureSettings(), tmp_path, stop=stop)
    frames = pydicom.dcmread(file).pixel_array
    assert 1 < len(frames) <= 12
    assert [number_of(frame) for frame in frames] == list(range(len(frames)))


def test_a_stream_must_have_an_end(tmp_path, captured, web):
    write(tmp_path / "a.ts")
    with pytest.raises(InvalidInputError, match="has no end of its own; say when to stop"):
        captured(f"{web}/a.ts")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.mp4", b"", "cannot be opened as video"),
        ("text.mp4", b"no video at all" * 100, "cannot be opened as video"),
        ("list.m3u8", b"#EXTM3U\n#EXTINF:1,\nother.ts\n", "cannot be opened as video"),
        ("list.mp4", b"#EXTM3U\n#EXTINF:1,\nother.ts\n", "cannot be opened as video"),
        ("list.ffconcat", b"ffconcat version 1.0\nfile other.ts\n", "cannot be opened as video"),
    ],
)
def test_what_is_no_video_or_names_other_files(tmp_path, captured, name, content, said):
    write(tmp_path / "other.ts", count=3)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidInputError, match=said):
        captured(tmp_path / name)


def test_a_file_that_is_cut_off(tmp_path, captured):
    whole = write(tmp_path / "a.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InvalidInputError, match="video"):
        captured(tmp_path / "cut.mp4")


def test_sound_alone_is_no_video(tmp_path, captured):
    with av.open(str(tmp_path / "a.mka"), "w", format="matroska") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        tone = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        tone.sample_rate = 8000
        container.mux(stream.encode(tone))
    with pytest.raises(InvalidInputError, match="holds no video"):
        captured(tmp_path / "a.mka")


@pytest.mark.parametrize("source", ["nowhere.mp4", "/dev/video77", "ftp://127.0.0.1/a.mp4", "concat:a|b", "file:///a"])
def test_what_cannot_be_opened(captured, source):
    with pytest.raises(InvalidInputError):
        captured(source, stop_s=1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "ct"},
        {"start_s": 2, "stop_s": 1},
        {"every": 0},
        {"stills_s": (-1.0,)},
        {"stills_s": (1.0,), "kind": "video"},
        {"body_part": "soul"},
        {"deinterlace": "perhaps"},
        {"series_description": "x" * 65},
    ],
)
def test_wrong_settings(wrong):
    with pytest.raises(InvalidInputError):
        CaptureSettings(**wrong)


@pytest.mark.parametrize(
    "wrong", [{"patient_sex": "X"}, {"patient_birth_date": "1970"}, {"patient_id": "a\\b"}, {"study_instance_uid": "a"}]
)
def test_wrong_context(wrong):
    with pytest.raises(InvalidInputError):
        CaptureContext(**wrong)


def test_context_of_a_worklist_item(tmp_path, captured):
    item = pydicom.Dataset()
    item.PatientName, item.PatientID, item.AccessionNumber = "Müller^Änne", "P7", "A7"
    item.SpecificCharacterSet = "ISO_IR 192"
    item.StudyInstanceUID, item.RequestedProcedureID = "1.2.3", "R7"
    item.RequestedProcedureDescription = "Colonoscopy"
    step = pydicom.Dataset()
    step.ScheduledProcedureStepID, step.ScheduledProcedureStepDescription = "S7", "Colonoscopy with biopsy"
    item.ScheduledProcedureStepSequence = [step]
    context = CaptureContext.of_worklist_item(item.to_json_dict())
    (made,) = captured(write(tmp_path / "a.mp4", count=2), context)
    assert (made.PatientName, made.PatientID, made.AccessionNumber) == ("Müller^Änne", "P7", "A7")
    assert (made.StudyInstanceUID, made.StudyDescription) == ("1.2.3", "Colonoscopy")
    (request,) = made.RequestAttributesSequence
    assert (request.RequestedProcedureID, request.ScheduledProcedureStepID) == ("R7", "S7")
    assert request.ScheduledProcedureStepDescription == "Colonoscopy with biopsy"


def test_cancelling_leaves_nothing(tmp_path):
    write(tmp_path / "a.mp4")
    folder = tmp_path / "out"
    folder.mkdir()

    def cancelled(fraction, message="", preview=None):
        if fraction > 0.3:
            raise CancelledError("cancelled")

    for kind in ("sc", "video"):
        with pytest.raises(CancelledError):
            capture(tmp_path / "a.mp4", PATIENT, CaptureSettings(kind=kind), folder, progress=cancelled)
    assert list(folder.iterdir()) == []


def test_cancelling_ends_the_other_process(tmp_path, monkeypatch):
    """Also one that says nothing any more."""
    monkeypatch.setattr("pellucid.capture.worker._COMMAND", ["-c", "import time; time.sleep(600)"])
    asked = []

    def cancelled(fraction, message="", preview=None):
        asked.append(fraction)
        if len(asked) == 2:
            raise CancelledError("cancelled")

    before = time.monotonic()
    with pytest.raises(CancelledError):
        capture_apart(tmp_path / "a.mp4", PATIENT, CaptureSettings(), tmp_path, progress=cancelled)
    assert time.monotonic() - before < 30
    assert list(tmp_path.iterdir()) == []


def test_a_decoder_that_crashes_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("pellucid.capture.worker._COMMAND", ["-c", "import os; os.abort()"])
    with pytest.raises(InvalidInputError, match="the decoder crashed, or needed more"):
        capture_apart(tmp_path / "a.mp4", PATIENT, CaptureSettings(), tmp_path)


def test_in_another_process(tmp_path):
    write(tmp_path / "a.mp4")
    heard = []
    settings = CaptureSettings(kind="sc", stop_s=0.4)
    (file,) = capture_apart(
        tmp_path / "a.mp4", PATIENT, settings, tmp_path, progress=lambda *said: heard.append(said[0])
    )
    assert [number_of(frame) for frame in pydicom.dcmread(file).pixel_array] == list(range(10))
    assert heard[-1] == 1.0
    (tmp_path / "b.mp4").write_bytes(b"Doe")
    with pytest.raises(InvalidInputError, match="cannot be opened as video"):
        capture_apart(tmp_path / "b.mp4", PATIENT, settings, tmp_path)
    tight = WorkerLimits(memory_bytes=1 << 20)
    with pytest.raises(InvalidInputError, match="video"):
        capture_apart(tmp_path / "a.mp4", PATIENT, settings, tmp_path, limits=tight)


_MEASURED = """
import json, resource, sys
from pathlib import Path
from pellucid.capture import CaptureContext, CaptureSettings, capture
import av
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
files = capture(sys.argv[1], CaptureContext(), CaptureSettings(kind=sys.argv[3]), Path(sys.argv[2]))
print(json.dumps([files[0].stat().st_size, 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sc", "video"])
def test_memory_does_not_grow_with_the_video(tmp_path, kind):
    """600 frames of 640 x 480: 553 MB of pixels."""
    source = write(
        tmp_path / "a.webm", "libvpx", count=600, rows=480, columns=640, deadline="realtime", **{"cpu-used": 8}
    )
    command = [sys.executable, "-c", _MEASURED, str(source), str(tmp_path), kind]
    size, grown = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert grown < 150e6
    if kind == "sc":
        assert size > 552e6
    Path(tmp_path / "000001.dcm").unlink()
