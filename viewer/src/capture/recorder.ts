/** Formats to record in, the preferred first: H.264 may be kept as it is, VP9 and VP8 are coded anew where needed. */
export const FORMATS = ["video/webm;codecs=h264", "video/mp4;codecs=avc1", "video/webm;codecs=vp9", "video/webm;codecs=vp8", "video/webm"] as const;

const BITS_PER_SECOND = 12_000_000;
const SLICE_MS = 1000;

/** The first format that can be recorded. */
export const formatOf = (isSupported: (format: string) => boolean): string | undefined => FORMATS.find(isSupported);

/** The ending of a recording's name. */
export const endingOf = (format: string): string => (format.startsWith("video/mp4") ? "mp4" : format.startsWith("image/") ? "png" : "webm");

export type Device = "camera" | "screen";

/** Opens the camera or the screen; rejects with a line for the reader. */
export async function openDevice(device: Device): Promise<MediaStream> {
  try {
    if (device === "screen") return await navigator.mediaDevices.getDisplayMedia({ video: true, audio: false });
    return await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1920 }, height: { ideal: 1080 } }, audio: false });
  } catch (error) {
    throw new Error(explain(device, error instanceof DOMException ? error.name : ""));
  }
}

/** Why a device cannot be used. */
export function explain(device: Device, name: string): string {
  if (name === "NotAllowedError") return `The browser may not use the ${device}. Allow it for this page and try again.`;
  if (name === "NotFoundError") return `There is no ${device} here.`;
  if (name === "NotReadableError") return `The ${device} is in use by another program.`;
  return `The ${device} cannot be opened.`;
}

/** A recording under way: `stop` gives what was recorded. */
export interface Recording {
  readonly stop: () => Promise<Blob>;
}

/** Records a stream until it is stopped; what is recorded goes to the browser's store as it comes. */
export function record(stream: MediaStream): Recording {
  const mimeType = formatOf((format) => MediaRecorder.isTypeSupported(format));
  const recorder = new MediaRecorder(stream, { ...(mimeType ? { mimeType } : {}), videoBitsPerSecond: BITS_PER_SECOND });
  const parts: Blob[] = [];
  recorder.ondataavailable = (event) => event.data.size > 0 && parts.push(event.data);
  const ended = new Promise<Blob>((resolve) => {
    recorder.onstop = () => resolve(new Blob(parts, { type: recorder.mimeType }));
  });
  recorder.start(SLICE_MS);
  return {
    stop: () => {
      if (recorder.state !== "inactive") recorder.stop();
      return ended;
    },
  };
}

/** The picture that a video shows now, as PNG. */
export function picture(video: HTMLVideoElement): Promise<Blob> {
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d")!.drawImage(video, 0, 0);
  return new Promise((resolve, reject) =>
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("The picture cannot be taken."))), "image/png"),
  );
}
