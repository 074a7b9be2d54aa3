// Submits an image with a webhook, and verifies what arrives with the library of Standard
// Webhooks and the secret that the API returns. The API's URL and the image are arguments.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { Webhook } from "standardwebhooks";

const [api, image] = process.argv.slice(2);
const { secrets } = await (await fetch(`${api}/webhook-secret`)).json();
const verifier = new Webhook(secrets[0]);

const arrived = new Promise((resolve, reject) => {
  const server = createServer(async (req, res) => {
    let body = "";
    for await (const piece of req.setEncoding("utf8")) body += piece;
    res.writeHead(204).end();
    server.close();
    resolve({ header: req.headers, body });
  });
  server.on("error", reject);
  server.listen(0, "127.0.0.1", async () => {
    const form = new FormData();
    form.set("webhook", `http://127.0.0.1:${server.address().port}/hook`);
    form.set("image", new Blob([readFileSync(image)]), "image.jpg");
    const answer = await fetch(`${api}/jobs`, { method: "POST", body: form });
    if (answer.status !== 202) reject(new Error(`submit: ${answer.status} ${await answer.text()}`));
  });
});
const late = setTimeout(() => assert.fail("no webhook arrives"), 120_000);
const { header, body } = await arrived;
clearTimeout(late);
const event = verifier.verify(body, header);
assert.equal(event.type, "job.completed");
assert.equal(event.data.status, "completed");
assert.throws(() => verifier.verify(body.replace("completed", "failed"), header));
console.log("standardwebhooks: ok");
