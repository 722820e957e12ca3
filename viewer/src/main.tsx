import { render } from "preact";
import { lazy, Suspense } from "preact/compat";
import { LoginPage, loadSession, mustLogIn, session } from "./access";
import { StudyList } from "./study_list";
import { Message, ProgressBar } from "./ui";

// The reading room brings the rendering library with it; the study list does not wait for that.
const ReadingRoom = lazy(() => import("./reading_room"));
const CapturePage = lazy(() => import("./capture"));
const AdminPage = lazy(() => import("./admin"));

const AccountPage = lazy(() => import("./access/account_page"));
const AuditPage = lazy(() => import("./access/audit_page"));
const SharedPage = lazy(() => import("./access/shared_page"));

const PAGES = { "/account": AccountPage, "/audit": AuditPage, "/shared": SharedPage, "/capture": CapturePage, "/admin": AdminPage } as const;

/** The page for an address: `/` the study list, `/study/{uid}` the reading room, `/capture` and `/admin`. */
function Page({ path }: { path: string }) {
  if (path !== "/shared" && mustLogIn()) return <LoginPage />;
  if (path === "/" || path === "/login") return <StudyList />;
  const Other = PAGES[path.replace(/\/$/, "") as keyof typeof PAGES];
  if (Other) {
    return (
      <Suspense fallback={<ProgressBar fraction={undefined} label="Loading the page" />}>
        <Other />
      </Suspense>
    );
  }
  const study = /^\/study\/([^/]+)\/?$/.exec(path)?.[1];
  if (study) {
    return (
      <Suspense fallback={<ProgressBar fraction={undefined} label="Loading the viewer" />}>
        <ReadingRoom studyUid={decodeURIComponent(study)} />
      </Suspense>
    );
  }
  return (
    <Message kind="error">
      <span>
        There is no page at {path}. <a href="/">Go to the studies.</a>
      </span>
    </Message>
  );
}

/** Asks who is there before anything else is asked; where the server is not there the pages say so themselves. */
async function start(): Promise<void> {
  await loadSession().catch(() => undefined);
  // The session is read here, so that a login brings the page that was asked for.
  const Start = () => <Page key={session.value?.caller.name} path={location.pathname} />;
  render(<Start />, document.getElementById("app")!);
}

void start();
