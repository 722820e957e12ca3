import { change, type Delivery, type Entity, type Route } from "../api";
import { Button } from "../ui";
import { field, Form, Section } from "./section";
import { act, deliveries, entities, routes } from "./store";
import { Table } from "./table";
import { joined, localTime, pairsOf, pairsText, split } from "./text";

/** Application entities: who may call, and who is called. */
export const EntitiesSection = () => (
  <Section title="Application entities" part={entities}>
    {(found) => (
      <>
        <Table<Entity>
          label="Application entities"
          columns={["Title", "Reached at", "May", "From", "Description", ""]}
          rows={found.entities}
          keyOf={(one) => one.title}
          empty="No other application is known."
          cells={(one) => [
            one.title,
            one.port ? `${one.host}:${one.port}${one.tls ? ", TLS" : ""}` : "—",
            joined(one.permissions) || "nothing",
            joined(one.addresses) || "anywhere",
            one.description,
            <Button small label={`Remove ${one.title}`} onClick={() => void act(entities, `${one.title} is removed.`, () => change.removeEntity(one.title))}>
              Remove
            </Button>,
          ]}
        />
        <Form
          summary="Add or change an application entity"
          button="Save"
          fields={[
            ["title", "AE title", "* for any"],
            ["host", "Host", "where it is reached"],
            ["port", "Port", "", "number"],
            ["tls", "TLS", "", "checkbox"],
            ["addresses", "May call from", "10.1.0.0/16, …"],
            ["projects", "Sees the projects", "all"],
            ["description", "Description", ""],
          ]}
          choices={{ label: "May", name: "permissions", values: found.permissions }}
          onSend={(form) => {
            const title = field(form, "title");
            return act(entities, `${title} is saved.`, () => change.putEntity(entityOf(title, form)));
          }}
        />
      </>
    )}
  </Section>
);

const entityOf = (title: string, form: FormData): Entity => ({
  title,
  host: field(form, "host"),
  port: Number(field(form, "port") || 0),
  tls: form.get("tls") !== null,
  addresses: split(field(form, "addresses")),
  called_titles: [],
  permissions: form.getAll("permissions").map(String),
  projects: split(field(form, "projects")),
  description: field(form, "description"),
});

/** Rules that send new instances on. */
export const RoutesSection = () => (
  <Section title="Routing rules" part={routes}>
    {(found) => (
      <>
        <Table<Route>
          label="Routing rules"
          columns={["Name", "Where", "To", "State", ""]}
          rows={found}
          keyOf={(rule) => rule.name}
          empty="Nothing is sent on."
          cells={(rule) => [
            rule.name,
            pairsText(rule.match) || "everything",
            rule.destination,
            rule.enabled ? "on" : "off",
            <span class="admin-actions">
              <Button
                small
                label={`Switch ${rule.name} ${rule.enabled ? "off" : "on"}`}
                onClick={() => void act(routes, `${rule.name} is ${rule.enabled ? "off" : "on"}.`, () => change.putRoute({ ...rule, enabled: !rule.enabled }))}
              >
                {rule.enabled ? "Switch off" : "Switch on"}
              </Button>
              <Button small label={`Remove ${rule.name}`} onClick={() => void act(routes, `${rule.name} is removed.`, () => change.removeRoute(rule.name))}>
                Remove
              </Button>
            </span>,
          ]}
        />
        <Form
          summary="Add or change a rule"
          button="Save"
          fields={[
            ["name", "Name", ""],
            ["match", "Where", "Modality=CT, StudyDescription=*chest*"],
            ["destination", "To", "ae:TITLE, https://…/dicom-web, folder:/…"],
          ]}
          onSend={(form) => {
            const name = field(form, "name");
            const rule = { name, match: pairsOf(field(form, "match")), destination: field(form, "destination"), enabled: true };
            return act(routes, `${name} is saved.`, () => change.putRoute(rule));
          }}
        />
      </>
    )}
  </Section>
);

/** What waits to be delivered, or has failed. */
export const DeliveriesSection = () => (
  <Section title="Delivery queue" part={deliveries}>
    {(found) => (
      <>
        <Table<Delivery>
          label="Delivery queue"
          columns={["To", "What", "State", "Attempts", "Next", "Error", ""]}
          rows={found.deliveries}
          keyOf={(one) => one.id}
          empty="The queue is empty."
          cells={(one) => [
            one.destination,
            one.kind,
            one.state,
            String(one.attempts),
            one.state === "waiting" ? localTime(one.next_attempt) : "—",
            one.error,
            <span class="admin-actions">
              <Button small label={`Try delivery ${one.id} again`} onClick={() => void act(deliveries, "It is tried again.", () => change.retryDelivery(one.id))}>
                Try again
              </Button>
              <Button small label={`Give up delivery ${one.id}`} onClick={() => void act(deliveries, "It is given up.", () => change.cancelDelivery(one.id))}>
                Give up
              </Button>
            </span>,
          ]}
        />
        {found.deliveries.length > 1 && (
          <Button small onClick={() => void act(deliveries, "All are tried again.", change.retryAllDeliveries)}>
            Try all {found.total} again
          </Button>
        )}
      </>
    )}
  </Section>
);
