import { Enums, imageLoader, init as startCore } from "@cornerstonejs/core";
import { init as startLoader, wadors } from "@cornerstonejs/dicom-image-loader";

/** What Cornerstone's own loader makes of an image of the server. */
interface Loaded {
  readonly rows: number;
  readonly columns: number;
  /** Stored values, row by row, before the modality's rescale. */
  readonly pixels: readonly number[];
  readonly slope: number;
  readonly intercept: number;
}

const AS_STORED = { priority: 0, requestType: Enums.RequestType.Interaction, preScale: { enabled: false } };

/** Loads an image as any page with this loader does; `metadata`: address of its DICOM JSON, which `wadors:` asks for first. */
async function load(imageId: string, metadata: string): Promise<Loaded> {
  await ready;
  if (metadata) {
    const answer = await fetch(metadata, { headers: { Accept: "application/dicom+json" } });
    const [instance] = await answer.json();
    wadors.metaDataManager.add(imageId, instance);
  }
  const image = await imageLoader.loadImage(imageId, AS_STORED);
  return {
    rows: image.rows,
    columns: image.columns,
    pixels: Array.from(image.getPixelData()),
    slope: image.slope,
    intercept: image.intercept,
  };
}

const ready = Promise.resolve(startCore()).then(() => startLoader({ maxWebWorkers: 1 }));

Object.assign(globalThis, { load });
