// Works a fleet with an official TypeScript client, and prints what it saw as JSON.
// node work.mjs v1|v2 http URL | node work.mjs v1|v2 stdio COMMAND ARGS...
const [generation, way, ...target] = process.argv.slice(2);

async function connected() {
  if (generation === "v1") {
    const { Client } = await import("@modelcontextprotocol/sdk/client/index.js");
    const { StdioClientTransport } = await import("@modelcontextprotocol/sdk/client/stdio.js");
    const { StreamableHTTPClientTransport } = await import("@modelcontextprotocol/sdk/client/streamableHttp.js");
    const client = new Client({ name: "test", version: "1" });
    await client.connect(transport(StdioClientTransport, StreamableHTTPClientTransport));
    return client;
  }
  const { Client, StreamableHTTPClientTransport } = await import("@modelcontextprotocol/client");
  const { StdioClientTransport } = await import("@modelcontextprotocol/client/stdio");
  const client = new Client({ name: "test", version: "1" });
  await client.connect(transport(StdioClientTransport, StreamableHTTPClientTransport));
  return client;
}

function transport(Stdio, Http) {
  if (way === "http") return new Http(new URL(target[0]));
  return new Stdio({ command: target[0], args: target.slice(1), stderr: "inherit" });
}

const client = await connected();
const call = async (name, args) => (await client.callTool({ name, arguments: args })).structuredContent;

const tools = (await client.listTools()).tools.map((tool) => tool.name);
const spawned = await call("spawn_fleet", {
  agents: [{ role: "ann", prompt: "write" }, { role: "bob", prompt: "read" }],
  keep_open: true,
});
const [ann, bob] = spawned.agent_ids;
const letter = { from_agent_id: ann, to_agent_id: bob, fleet_id: spawned.fleet_id, type: "question", payload: "hello" };
const sent = await call("send_message", letter);
const inbox = await call("get_inbox", { agent_id: bob });
const refused = await client.callTool({ name: "send_message", arguments: { ...letter, type: "shout" } });
const fleet = await client.readResource({ uri: `fleet://${spawned.fleet_id}` });
const prompts = (await client.listPrompts()).prompts.map((prompt) => prompt.name);
await client.close();

console.log(JSON.stringify({
  tools,
  messageId: sent.message_id,
  inbox: inbox.messages.map((message) => [message.id, message.payload]),
  refused: [refused.isError, refused.structuredContent.error],
  status: JSON.parse(fleet.contents[0].text).fleet.status,
  prompts,
}));
