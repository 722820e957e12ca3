import { render } from "preact";
import { lazy, Suspense } from "preact/compat";
import { StudyList } from "./study_list";
import { Message, ProgressBar } from "./ui";

// The reading room brings the rendering library with it; the study list does not wait for that.
const ReadingRoom = lazy(() => import("./reading_room"));

/** The page for an address: `/` the study list, `/study/{uid}` the reading room. */
function Page({ path }: { path: string }) {
  if (path === "/") return <StudyList />;
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

render(<Page path={location.pathname} />, document.getElementById("app")!);
