"""Video into DICOM: a file, a device or a stream becomes Secondary Capture, Ultrasound or Video objects.

    files = capture("sweep.mp4", CaptureContext(patient_id="P1"), CaptureSettings(kind="us"), folder)

`context.py` says of whom, `settings.py` what of the video and how, `source.py` opens and decodes, `frames.py` writes
decoded frames, `video.py` encapsulates a coded stream (as it is where it conforms), `worker.py` does all this in a
process with limits for video that comes from outside. PyAV (FFmpeg) is imported only when a source is opened.
"""

from pellucid.capture.capture import capture
from pellucid.capture.context import CaptureContext
from pellucid.capture.objects import modality_of
from pellucid.capture.settings import CaptureSettings, Crop, Region
from pellucid.capture.worker import WorkerLimits, capture_apart

__all__ = [
    "CaptureContext",
    "CaptureSettings",
    "Crop",
    "Region",
    "WorkerLimits",
    "capture",
    "capture_apart",
    "modality_of",
]
