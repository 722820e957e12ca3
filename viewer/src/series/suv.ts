import { number, numbers, sequence, TAG, text, texts, type Dataset } from "../dicom";

/** How a series' values become what the reader is shown. */
export interface ValueScale {
  /** Shown value = modality value × factor. */
  readonly factor: number;
  /** Unit of the shown value, for people. */
  readonly unit: string;
  /** Unit of the modality value, where the factor changes it. */
  readonly sourceUnit?: string;
  /** Why a standardised uptake value cannot be given, where a reader would expect one. */
  readonly note?: string;
}

const PET_UNITS: Readonly<Record<string, string>> = {
  BQML: "Bq/ml",
  CNTS: "counts",
  GML: "SUV g/ml",
  NONE: "",
  PROPCPS: "∝ counts/s",
  PROPCNTS: "∝ counts",
  PCNT: "%",
  UMOLML: "µmol/ml",
  MLMING: "ml/min/g",
  MLG: "ml/g",
  "1CM": "1/cm",
};

/** Seconds since the epoch of a DICOM date and time; undefined where either is unreadable. */
function seconds(date: string, time: string): number | undefined {
  const day = /^(\d{4})\.?(\d{2})\.?(\d{2})$/.exec(date);
  const clock = /^(\d{2}):?(\d{2})?:?(\d{2}(?:\.\d+)?)?/.exec(time);
  if (!day || !clock) return undefined;
  const midnight = Date.UTC(Number(day[1]), Number(day[2]) - 1, Number(day[3])) / 1000;
  return midnight + Number(clock[1]) * 3600 + Number(clock[2] ?? 0) * 60 + Number(clock[3] ?? 0);
}

const momentOf = (moment: string): number | undefined => seconds(moment.slice(0, 8), moment.slice(8));

/**
 * Start of the scan, to which a series with DecayCorrection START is corrected.
 *
 * The series time, unless the series was stamped after acquisition (reconstructed again): then from each frame's
 * reference time t_ref, at which the mean activity of the frame is reached at t̄ = ln(λT / (1 − e^(−λT))) / λ after its
 * start (QIBA SUV vendor-neutral pseudo-code), or the earliest acquisition time where no reference time is given.
 */
function scanStart(instances: readonly Dataset[], halfLife: number): number | undefined {
  const first = instances[0]!;
  const series = seconds(text(first, TAG.SeriesDate), text(first, TAG.SeriesTime));
  const acquired = instances.map((item) => ({
    time:
      momentOf(text(item, TAG.AcquisitionDateTime)) ??
      seconds(text(item, TAG.AcquisitionDate) || text(item, TAG.SeriesDate), text(item, TAG.AcquisitionTime)),
    reference: (number(item, TAG.FrameReferenceTime) ?? 0) / 1000,
    duration: (number(item, TAG.ActualFrameDuration) ?? 0) / 1000,
  }));
  const times = acquired.map((frame) => frame.time).filter((time): time is number => time !== undefined);
  const earliest = times.length ? Math.min(...times) : undefined;
  if (series !== undefined && (earliest === undefined || series <= earliest)) return series;
  const decay = Math.LN2 / halfLife;
  const starts = acquired
    .filter((frame) => frame.time !== undefined && frame.reference > 0 && frame.duration > 0)
    .map((frame) => {
      const lost = decay * frame.duration;
      return frame.time! - frame.reference + Math.log(lost / -Math.expm1(-lost)) / decay;
    });
  return starts.length ? Math.min(...starts) : earliest;
}

/** Injected activity as it is at the time that the picture's values refer to [Bq], or why it is not known. */
function activityAtReference(instances: readonly Dataset[]): number | string {
  const first = instances[0]!;
  const [tracer] = sequence(first, TAG.RadiopharmaceuticalInformationSequence);
  const dose = tracer && number(tracer, TAG.RadionuclideTotalDose);
  if (!tracer || !dose) return "the injected activity is not in the header";
  const correction = text(first, TAG.DecayCorrection);
  if (correction === "ADMIN") return dose;
  if (correction !== "START") return `decay correction is ${correction || "not stated"}; expected START or ADMIN`;
  const halfLife = number(tracer, TAG.RadionuclideHalfLife);
  if (!halfLife) return "the radionuclide's half-life is not in the header";
  const start = scanStart(instances, halfLife);
  if (start === undefined) return "the time of the scan is not in the header";
  const injected =
    momentOf(text(tracer, TAG.RadiopharmaceuticalStartDateTime)) ??
    seconds(text(first, TAG.SeriesDate), text(tracer, TAG.RadiopharmaceuticalStartTime));
  if (injected === undefined) return "the time of injection is not in the header";
  // A time without a date belongs to the day of the scan, or to the day before.
  const elapsed = start >= injected ? start - injected : start - injected + 86400;
  if (elapsed < 0 || elapsed > 86400) return "the time of injection contradicts the time of the scan";
  return dose * 2 ** (-elapsed / halfLife);
}

/**
 * Scale of a PET series: SUV normalised to body weight where the header allows,
 * SUVbw [g/ml] = c [Bq/ml] · weight [g] / activity at the reference time [Bq] (SNMMI/QIBA),
 * otherwise the series' own unit with a note that says what is missing.
 */
export function petScale(instances: readonly Dataset[]): ValueScale {
  const first = instances[0];
  if (!first) return { factor: 1, unit: "" };
  const units = text(first, TAG.Units);
  const own = PET_UNITS[units] ?? units;
  const without = (note: string): ValueScale => ({ factor: 1, unit: own, note: `No SUV: ${note}.` });
  if (units === "GML") return { factor: 1, unit: own };
  if (units === "CNTS") return philipsScale(first) ?? without("the values are counts, and the header has no SUV scale factor");
  if (units !== "BQML") return without(`the values are ${own || "without a unit"}; expected Bq/ml`);
  const corrected = texts(first, TAG.CorrectedImage);
  const missing = ["ATTN", "DECY"].filter((correction) => !corrected.includes(correction));
  if (missing.length) return without(`the series is not corrected for ${missing.map(correctionName).join(" and ")}`);
  const weight = number(first, TAG.PatientWeight);
  if (!weight) return without("the patient's weight is not in the header");
  const activity = activityAtReference(instances);
  if (typeof activity === "string") return without(activity);
  return { factor: (weight * 1000) / activity, unit: "SUV g/ml", sourceUnit: own };
}

const correctionName = (code: string): string => (code === "ATTN" ? "attenuation" : "decay");

/** Philips stores counts with a private factor to SUV (7053,1000). */
function philipsScale(first: Dataset): ValueScale | undefined {
  const factor = numbers(first, TAG.PhilipsSUVScaleFactor)[0];
  return factor ? { factor, unit: "SUV g/ml", sourceUnit: "counts" } : undefined;
}
