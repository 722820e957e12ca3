export { StudyList } from "./study_list";
