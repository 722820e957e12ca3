import { change, isActive, type Account, type OwnedJob } from "../api";
import { Button } from "../ui";
import { field, Form, Section } from "./section";
import { accounts, act, jobs } from "./store";
import { Table } from "./table";
import { joined, localTime, split } from "./text";

/** The jobs of all. */
export const JobsSection = () => (
  <Section title="Jobs of all" part={jobs}>
    {(found) => (
      <Table<OwnedJob>
        label="Jobs of all"
        columns={["Job", "Of", "State", "Begun", "Message", ""]}
        rows={found}
        keyOf={(job) => job.id}
        empty="There are no jobs."
        cells={(job) => [
          job.title,
          job.owner || "this machine",
          isActive(job) ? `${job.state}, ${Math.round(100 * job.fraction)} %` : job.state,
          localTime(job.created),
          job.error ?? job.message,
          isActive(job) ? (
            <Button small label={`Cancel ${job.title}`} onClick={() => void act(jobs, `${job.title} is cancelled.`, () => change.cancelJob(job.id))}>
              Cancel
            </Button>
          ) : (
            ""
          ),
        ]}
      />
    )}
  </Section>
);

/** Who may log in, and what they are. */
export const AccountsSection = () => (
  <Section title="Users" part={accounts}>
    {(found) => (
      <>
        <Table<Account>
          label="Users"
          columns={["Name", "Full name", "Roles", "Projects", "State", ""]}
          rows={found.accounts}
          keyOf={(one) => one.name}
          empty="There are no accounts: whoever is at this machine may do everything."
          cells={(one) => [
            one.name,
            one.full_name,
            joined(one.roles),
            one.projects.includes("*") ? "all" : joined(one.projects) || "none",
            one.active ? "active" : "locked",
            <span class="admin-actions">
              <Button
                small
                label={`${one.active ? "Lock" : "Unlock"} ${one.name}`}
                onClick={() => void act(accounts, `${one.name} is ${one.active ? "locked" : "unlocked"}.`, () => change.putAccount(asForm({ ...one, active: !one.active })))}
              >
                {one.active ? "Lock" : "Unlock"}
              </Button>
              <Button small label={`Remove ${one.name}`} onClick={() => void act(accounts, `${one.name} is removed.`, () => change.removeAccount(one.name))}>
                Remove
              </Button>
            </span>,
          ]}
        />
        <Form
          summary="Add or change a user"
          button="Save"
          fields={[
            ["name", "Name", ""],
            ["full_name", "Full name", ""],
            ["password", "Password", "", "password"],
            ["projects", "Sees the projects", `* for all; ${found.projects.join(", ")}`],
          ]}
          choices={{ label: "Roles", name: "roles", values: found.roles }}
          onSend={(form) => {
            const name = field(form, "name");
            const password = String(form.get("password") ?? "");
            const account = {
              name,
              full_name: field(form, "full_name"),
              roles: form.getAll("roles").map(String),
              projects: split(field(form, "projects")),
              studies: [],
              active: true,
            };
            return act(accounts, `${name} is saved.`, () => change.putAccount(password ? { ...account, password } : account));
          }}
        />
      </>
    )}
  </Section>
);

/** What the server takes of an account: not what it adds itself. */
const asForm = ({ name, full_name, roles, projects, studies, active }: Account): Account => ({ name, full_name, roles, projects, studies, active });
