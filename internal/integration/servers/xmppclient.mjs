// A client made of @xmpp/client on Node that is driven by lines of JSON: the first one on
// standard input says how to log in, each later one is a message to send. What happens goes
// to standard output. It ends at the end of its input. See client.go.
import { webcrypto } from "node:crypto";
import { createInterface } from "node:readline";
import { client, jid, xml } from "@xmpp/client";
import { WebSocket } from "ws";

// As browsers have.
globalThis.WebSocket ??= WebSocket;
globalThis.crypto ??= webcrypto;

const receipts = "urn:xmpp:receipts";
const tell = (kind, event) => console.log(JSON.stringify({ kind, ...event }));

const start = (login) => {
  const { local, domain, resource } = jid(login.address);
  const entity = client({ service: login.server, domain, resource, username: local, password: login.password });
  entity.reconnect.delay = 100;
  const onStream = async () => {
    try {
      await entity.send(xml("presence"));
      // The server has seen the presence when it answers.
      await entity.iqCaller.get(xml("ping", "urn:xmpp:ping"), domain);
    } catch {
      return; // and again
    }
    tell("online", { address: entity.jid.toString() });
  };
  entity.on("online", onStream);
  entity.streamManagement.on("resumed", onStream);
  entity.on("disconnect", () => tell("offline"));
  entity.on("error", (e) => console.error(e)); // it goes on
  entity.on("stanza", (s) => {
    if (!s.is("message")) return;
    const { from, id, type } = s.attrs;
    const body = s.getChildText("body");
    const received = s.getChild("received", receipts);
    if (type === "error") tell("failure", { from, id });
    else if (received) tell("receipt", { from, id: received.attrs.id });
    else if (body) tell("message", { from, id, body, delayed: Boolean(s.getChild("delay")) });
  });
  entity.start().catch((e) => console.error(e));
  return entity;
};

let entity;
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  if (!entity) {
    entity = start(command);
    continue;
  }
  const { to, id, body } = command;
  entity.send(xml("message", { type: "chat", to, id }, xml("body", {}, body), xml("request", receipts)))
    .catch((e) => console.error(e)); // it is lost
}
process.exit(0); // nobody waits for an orderly end
