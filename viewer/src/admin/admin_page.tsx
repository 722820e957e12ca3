import { useEffect } from "preact/hooks";
import "./admin.css";
import { DeliveriesSection, EntitiesSection, RoutesSection } from "./network";
import { OverviewSection } from "./overview";
import { AccountsSection, JobsSection } from "./people";
import { done, jobs, overview } from "./store";

const EVERY_MS = 5000;

/** The page /admin: what runs here, and who may do what. */
export function AdminPage() {
  useEffect(() => {
    document.title = "Administration – Pellucid";
    const timer = setInterval(() => document.visibilityState === "visible" && void Promise.all([overview.load(), jobs.load()]), EVERY_MS);
    return () => clearInterval(timer);
  }, []);
  return (
    <div class="page">
      <header class="page-head">
        <h1>
          <a href="/">Pellucid</a> Administration
        </h1>
        <nav aria-label="Elsewhere">
          <a href="/audit">Audit trail</a> <a href="/api/docs">Programming interface</a> <a href="/metrics">Metrics</a>
        </nav>
      </header>
      <p class="admin-done" role="status" aria-live="polite">
        {done.value}
      </p>
      <main class="admin">
        <OverviewSection />
        <JobsSection />
        <EntitiesSection />
        <RoutesSection />
        <DeliveriesSection />
        <AccountsSection />
      </main>
    </div>
  );
}
