import { TAG, text } from "../dicom";
import type { Stack } from "./stacks";

/** How pixels of MPEG, H.264 and HEVC streams are said to be coded, and of nothing else (PS3.3 C.7.6.3.1.2). */
const OF_FILMS = "YBR_PARTIAL_420";

/** Where the film of a stack is, to be played as it is; undefined where it is made of pictures. */
export function filmUrlOf(stack: Stack): string | undefined {
  const first = stack.frames[0]!;
  if (text(first.dataset, TAG.PhotometricInterpretation) !== OF_FILMS) return undefined;
  return first.url.replace(/\/frames\/\d+$/, `/rendered?accept=${encodeURIComponent("video/mp4")}`);
}
