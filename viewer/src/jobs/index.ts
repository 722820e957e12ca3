export { DropZone } from "./drop_zone";
export { JobList, JobRow, SilentServer } from "./job_list";
export { follow, jobs, onJobEnd, refreshJobs } from "./store";
