// Runs the receiver of docs/api.md for Node.js: it takes a webhook of the service, and refuses
// a forged one. The API's URL and the image are arguments.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const [api, image] = process.argv.slice(2);
const page = readFileSync(new URL("../../../docs/api.md", import.meta.url), "utf8");
const [, program] = page.match(/^## Webhooks$[^]*?^```js\n([^]*?)^```$/m);
const { secrets } = await (await fetch(`${api}/webhook-secret`)).json();

const probe = createServer().listen(0, "127.0.0.1");
await once(probe, "listening");
const { port } = probe.address();
await new Promise((done) => probe.close(done));

const url = `http://127.0.0.1:${port}/`;
const receiver = spawn(process.execPath, ["--input-type=module", "--eval", program], {
  cwd: fileURLToPath(new URL(".", import.meta.url)), env: { ...process.env, SECRET: secrets[0], PORT: String(port) }, stdio: ["ignore", "pipe", "inherit"],
});
const late = setTimeout(() => { receiver.kill(); assert.fail("no webhook arrives"); }, 120_000);
try {
  const lines = createInterface(receiver.stdout)[Symbol.asyncIterator]();
  const forge = () => fetch(url, {
    method: "POST", body: '{"type":"job.completed"}',
    headers: { "webhook-id": "1", "webhook-timestamp": String(Math.floor(Date.now() / 1000)), "webhook-signature": "v1,AAAA" },
  }).catch(() => null);
  let forged;
  while (!(forged = await forge())) await new Promise((next) => setTimeout(next, 50)); // until it listens
  assert.equal(forged.status, 400);
  const form = new FormData();
  form.set("webhook", url);
  form.set("image", new Blob([readFileSync(image)]), "image.jpg");
  const { job_id: id } = await (await fetch(`${api}/jobs`, { method: "POST", body: form })).json();
  assert.equal((await lines.next()).value, `job.completed ${id}`);
} finally {
  clearTimeout(late);
  receiver.kill();
}
console.log("docs/api.md, the receiver for Node.js: ok");
