// A stanza client on Node that is driven by lines of JSON: the first one on standard input
// says how to log in, each later one is a message to send. What happens goes to standard
// output. It ends at the end of its input. See client.go.
import { createInterface } from "node:readline";
import stanza from "stanza";

const tell = (kind, event) => console.log(JSON.stringify({ kind, ...event }));

const start = (login) => {
  const client = stanza.createClient({
    jid: login.address, password: login.password, autoReconnect: true, maxReconnectBackoff: 0.1,
    transports: { websocket: login.server, bosh: false },
  });
  const onStream = async () => {
    client.sendPresence();
    await client.ping(); // the server has seen the presence when it answers
    tell("online", { address: client.jid });
  };
  client.on("session:started", onStream);
  client.on("stream:management:resumed", onStream);
  client.on("disconnected", () => tell("offline"));
  client.on("connected", () => {
    // Version 12.22.1 overlooks the end of a connection to which it writes at that moment.
    const { transport } = client;
    const look = () => client.transport === transport && transport.disconnect(false);
    transport.socket.addEventListener("close", () => setTimeout(look, 500));
  });
  client.on("message", (m) => {
    const { from, id, body } = m;
    if (m.type === "error") tell("failure", { from, id });
    else if (m.receipt?.type === "received") tell("receipt", { from, id: m.receipt.id });
    else if (body) tell("message", { from, id, body, delayed: Boolean(m.delay) });
  });
  client.connect();
  return client;
};

let client;
for await (const line of createInterface({ input: process.stdin })) {
  if (client) client.sendMessage({ type: "chat", receipt: { type: "request" }, ...JSON.parse(line) });
  else client = start(JSON.parse(line));
}
process.exit(0); // nobody waits for an orderly end
