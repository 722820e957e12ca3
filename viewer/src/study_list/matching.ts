import type { Study } from "../api";

/** The studies that hold every word of `query` somewhere, whatever the case. */
export function matching(studies: readonly Study[], query: string): Study[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  return studies.filter((study) => {
    const all = [study.patientName, study.patientId, study.date, study.description, ...study.modalities].join(" ").toLowerCase();
    return words.every((word) => all.includes(word));
  });
}
