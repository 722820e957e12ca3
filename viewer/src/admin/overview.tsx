import type { Overview } from "../api";
import { overview } from "./store";
import { Section } from "./section";
import { bytes } from "./text";

/** Storage and health. */
export const OverviewSection = () => <Section title="Storage and health" part={overview}>{(found) => <Numbers found={found} />}</Section>;

function Numbers({ found }: { found: Overview }) {
  const { storage } = found;
  const used = storage.quota_bytes ? storage.object_bytes / storage.quota_bytes : undefined;
  const rows: readonly (readonly [string, string])[] = [
    ["Studies", storage.studies.toLocaleString()],
    ["Series", storage.series.toLocaleString()],
    ["Instances", storage.instances.toLocaleString()],
    ["Raw signals", storage.acquisitions.toLocaleString()],
    ["Objects", bytes(storage.object_bytes)],
    ["Index", bytes(storage.index_bytes)],
    ["Free", `${bytes(storage.free_bytes)} of ${bytes(storage.total_bytes)}`],
    ["Quota", used === undefined ? "none" : `${bytes(storage.quota_bytes)}, ${Math.round(100 * used)} % used`],
    ["Jobs at work", String(found.jobs_unfinished)],
    ["Associations", String(found.associations)],
    ["Deliveries", `${found.deliveries_waiting} waiting, ${found.deliveries_failed} failed`],
    ["Version", found.version],
  ];
  return (
    <>
      <dl class="admin-numbers">
        {rows.map(([name, value]) => (
          <div key={name} data-number={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <ul class="admin-checks" aria-label="Health">
        {found.checks.map((check) => (
          <li key={check.name} data-ok={check.ok}>
            <strong>{check.ok ? "✓" : "✗"}</strong> {check.name}: {check.ok ? "" : "not ready, "}
            {check.detail}
          </li>
        ))}
      </ul>
    </>
  );
}
