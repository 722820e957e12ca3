export { DropZone } from "./drop_zone";
export { JobList, JobRow } from "./job_list";
export { follow, jobs, onJobEnd, refreshJobs } from "./store";
