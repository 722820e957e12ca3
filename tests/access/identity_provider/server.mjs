// An OpenID provider on loopback for the tests: node-oidc-provider with two people and a page that logs in at once.
// It prints one line of JSON with its issuer, and takes lines on standard input: "rotate" signs with another key.
import { generateKeyPairSync, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import Provider from "oidc-provider";

const { client, secret, redirect, logout, groups } = JSON.parse(process.argv[2]);

const newKey = () => ({
  ...generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" }),
  kid: randomUUID(),
  use: "sig",
  alg: "RS256",
});

const configuration = (keys, jti) => ({
  clients: [
    {
      client_id: client,
      client_secret: secret,
      redirect_uris: [redirect],
      response_types: ["code"],
      grant_types: ["authorization_code"],
      backchannel_logout_uri: logout,
      backchannel_logout_session_required: true,
      token_endpoint_auth_method: "client_secret_basic",
    },
  ],
  jwks: { keys },
  cookies: { keys: ["test"] },
  pkce: { required: () => true },
  claims: { openid: ["sub"], profile: ["name", "preferred_username", "groups"] },
  conformIdTokenClaims: false,
  features: {
    devInteractions: { enabled: false },
    backchannelLogout: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => "urn:pellucid",
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({ scope: "openid profile", audience: client, accessTokenFormat: "jwt", jwt: { sign: { alg: "RS256" } } }),
    },
  },
  extraTokenClaims: (_context, token) => ({ groups: groups[token.accountId] ?? [], preferred_username: token.accountId }),
  findAccount: (_context, id) => ({
    accountId: id,
    claims: () => ({ sub: id, name: `Doctor ${id}`, preferred_username: id, groups: groups[id] ?? [] }),
  }),
  interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
  ttl: { Session: 600, Interaction: 600, Grant: 600, IdToken: 600, AccessToken: 600 },
});

let provider;
let issuer;
const server = createServer(async (request, response) => {
  const path = new URL(request.url, issuer).pathname;
  if (path.startsWith("/interaction/")) return interact(request, response);
  return provider.callback()(request, response);
});

/** Logs in whoever the header says, and grants what is asked. */
async function interact(request, response) {
  const details = await provider.interactionDetails(request, response);
  const accountId = request.headers["x-person"] ?? "nobody";
  const grant = new provider.Grant({ accountId, clientId: details.params.client_id });
  grant.addOIDCScope("openid profile email");
  grant.addResourceScope("urn:pellucid", "openid profile");
  const result = { login: { accountId }, consent: { grantId: await grant.save() } };
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
}

server.listen(0, "127.0.0.1", () => {
  issuer = `http://127.0.0.1:${server.address().port}`;
  let keys = [newKey()];
  provider = new Provider(issuer, configuration(keys));
  console.log(JSON.stringify({ issuer }));
  createInterface({ input: process.stdin }).on("line", () => {
    keys = [newKey()];
    provider = new Provider(issuer, configuration(keys));
    console.log(JSON.stringify({ rotated: true }));
  });
});
