export { AccountMenu } from "./account_menu";
export { LoginPage } from "./login_page";
export { loadSession, may, mustLogIn, session } from "./session";
export { ShareButton } from "./share_dialog";
