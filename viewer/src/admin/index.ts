export { AdminPage as default } from "./admin_page";
