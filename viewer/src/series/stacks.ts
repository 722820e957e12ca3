import { TAG, text, type Dataset } from "../dicom";
import { dot, normalOf, sameDirection, type Vec3 } from "../geometry";
import { framesOf, type Frame, type FramePlane } from "./frames";
import { petScale, type ValueScale } from "./suv";
import { UNSPECIFIED } from "./units";

/** Frames of one series that belong together: parallel, of one size, one at each place, in order along their normal. */
export interface Stack {
  readonly key: string;
  readonly seriesUid: string;
  readonly modality: string;
  /** What tells this stack from the others of its series; empty where it is the only one. */
  readonly part: string;
  readonly frames: readonly Frame[];
  /** Where each frame is; made up (and `located` false) where the header does not say. */
  readonly planes: readonly FramePlane[];
  readonly located: boolean;
  /** The raw data did not say how the subject lay: no side may be named. */
  readonly positionAssumed: boolean;
  /** What stacks share whose places can be compared; an assumed place never shares one with a known place. */
  readonly frameOfReferenceUid: string;
  readonly scale: ValueScale;
}

/** What the server's files say of an assumed place (they have a private element too). */
const POSITION_ASSUMED = "POSITION ASSUMED";

/** The stacks of a series, from its instances' metadata. */
export function stacksOf(instances: readonly Dataset[], seriesUrl: string): Stack[] {
  const frames = framesOf(instances, seriesUrl);
  const groups = grouped(frames, (frame) => shapeKey(frame)).flatMap(byOrientation).flatMap(byPlace);
  return groups.map((group, index) => stackOf(group, index, groups.length));
}

function stackOf(frames: readonly Frame[], index: number, count: number): Stack {
  const first = frames[0]!.dataset;
  const seriesUid = text(first, TAG.SeriesInstanceUID);
  const located = frames.every((frame) => frame.plane);
  const ordered = located ? inSpace(frames) : inTime(frames);
  const positionAssumed = located && frames.some((frame) => text(frame.dataset, TAG.PositionReferenceIndicator) === POSITION_ASSUMED);
  const frameOfReference = text(first, TAG.FrameOfReferenceUID);
  const key = `${seriesUid}/${index}`;
  return {
    key,
    seriesUid,
    modality: text(first, TAG.Modality),
    part: count > 1 ? `${index + 1} of ${count}` : "",
    frames: ordered,
    planes: ordered.map((frame, place) => frame.plane ?? madeUpPlane(frame, place)),
    located,
    positionAssumed,
    frameOfReferenceUid: located && frameOfReference ? frameOfReference + (positionAssumed ? " assumed" : "") : key,
    scale: scaleOf(ordered),
  };
}

const shapeKey = ({ pixels, plane }: Frame): string =>
  [pixels.rows, pixels.columns, pixels.rendered, plane?.rowSpacing.toFixed(4), plane?.columnSpacing.toFixed(4)].join("/");

function grouped<T>(items: readonly T[], key: (item: T) => string): T[][] {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const name = key(item);
    const group = groups.get(name);
    if (group) group.push(item);
    else groups.set(name, [item]);
  }
  return [...groups.values()];
}

/** Cosines of a series are written with rounding; this is 0.8 degrees. */
const PARALLEL = 1e-4;

function byOrientation(frames: readonly Frame[]): Frame[][] {
  const groups: Frame[][] = [];
  for (const frame of frames) {
    const home = groups.find(([other]) => parallel(frame.plane, other!.plane));
    if (home) home.push(frame);
    else groups.push([frame]);
  }
  return groups;
}

const parallel = (a: FramePlane | undefined, b: FramePlane | undefined): boolean =>
  a && b ? sameDirection(a.right, b.right, PARALLEL) && sameDirection(a.down, b.down, PARALLEL) : a === b;

/** Separates frames at the same place: by what the header says of them, else by their order. */
function byPlace(frames: readonly Frame[]): Frame[][] {
  if (!frames[0]?.plane || !repeats(frames)) return [[...frames]];
  const channels = grouped(frames, (frame) => frame.channel);
  if (channels.length > 1 && channels.every((channel) => !repeats(channel))) return channels;
  const seen = new Map<string, number>();
  return grouped(inTime(frames), (frame) => {
    const place = placeOf(frame);
    seen.set(place, (seen.get(place) ?? 0) + 1);
    return String(seen.get(place));
  });
}

const placeOf = (frame: Frame): string => frame.plane!.origin.map((value) => value.toFixed(2)).join();
const repeats = (frames: readonly Frame[]): boolean => new Set(frames.map(placeOf)).size < frames.length;

/** Ordered along the normal, away from the reader. */
function inSpace(frames: readonly Frame[]): Frame[] {
  const normal = normalOf(frames[0]!.plane!);
  return [...frames].sort((a, b) => dot(a.plane!.origin, normal) - dot(b.plane!.origin, normal));
}

const inTime = (frames: readonly Frame[]): Frame[] =>
  [...frames].sort((a, b) => a.instanceNumber - b.instanceNumber || a.frameNumber - b.frameNumber);

/** Pictures without a place are laid one behind the other, 1 mm apart, so that the same code scrolls them. */
function madeUpPlane(frame: Frame, place: number): FramePlane {
  const [rowSpacing, columnSpacing] = frame.pixelSpacing ?? [1, 1];
  return { origin: [0, 0, place], right: [1, 0, 0], down: [0, 1, 0], rowSpacing, columnSpacing };
}

function scaleOf(frames: readonly Frame[]): ValueScale {
  const first = frames[0]!;
  const modality = text(first.dataset, TAG.Modality);
  const given = first.unit || (modality === "CT" ? "HU" : "");
  const unit = UNSPECIFIED.includes(given) ? "" : given;
  const pet = modality === "PT" ? petScale(frames.map((frame) => frame.dataset)) : undefined;
  return pet && (pet.unit || !unit) ? pet : { factor: 1, unit };
}

/** The normal of all planes of a stack. */
export const stackNormal = (stack: Stack): Vec3 => normalOf(stack.planes[0]!);
