// Runs a job through a client that is generated from the API's description. The server's URL
// comes from the environment; exits 1 with the first thing that is wrong.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

const server = process.env.CLAIMCHECK_SERVER ?? assert.fail("CLAIMCHECK_SERVER is not set");
const picture = process.env.PICTURE ?? assert.fail("PICTURE is not set");
const client = createClient<paths>({ baseUrl: server });

const form = new FormData();
form.append("image", new Blob([new Uint8Array(await readFile(picture))], { type: "image/jpeg" }), "picture.jpg");
form.append("params", JSON.stringify({ width: 64, format: "png" }));
const submitted = await client.POST("/jobs", {
  params: { header: { Prefer: "wait=60" } },
  body: { image: "", params: {} }, // the form takes its place
  bodySerializer: () => form,
});
assert.equal(submitted.error, undefined);
assert.equal(submitted.response.status, 201);
const job_id = (submitted.data as components["schemas"]["Job"]).job_id;

const status = await client.GET("/jobs/{job_id}", { params: { path: { job_id } } });
assert.equal(status.response.status, 201);
assert.ok(typeof status.data === "object"); // and not a stream of events
const job = status.data;
assert.equal(job.status, "completed");
assert.equal(job.output?.width, 64);
assert.ok((job.usage?.requests?.store_writes ?? 0) > 0, "no requests are counted");
assert.ok((job.usage?.estimated_cost?.usd ?? 0) > 0, "nothing is estimated");
assert.ok(Date.parse(job.expires_at ?? "") > Date.parse(job.updated_at), "the job expires before it has changed");

const list = await client.GET("/jobs", { params: { query: { status: ["completed", "failed"], limit: 5 } } });
assert.deepEqual(list.data?.jobs.map((j) => j.job_id), [job_id]);
const none = await client.GET("/jobs", { params: { query: { status: ["failed"] } } });
assert.deepEqual(none.data?.jobs, []);
assert.equal(none.data?.next, undefined);

const output = await client.GET("/jobs/{job_id}/output", { params: { path: { job_id } }, parseAs: "arrayBuffer" });
assert.equal(output.response.headers.get("Content-Type"), "image/png");
assert.ok((output.data?.byteLength ?? 0) > 100);

let usage = await client.GET("/usage");
for (let tries = 0; usage.data?.total.jobs === 0 && tries < 600; tries++) { // a worker records it after the end of the job
  await new Promise((done) => setTimeout(done, 100));
  usage = await client.GET("/usage");
}
assert.equal(usage.data?.total.jobs, 1);
assert.deepEqual(usage.data?.total.requests, job.usage?.requests);

const gone = await client.DELETE("/jobs/{job_id}", { params: { path: { job_id } } });
assert.equal(gone.response.status, 204);
const missing = await client.GET("/jobs/{job_id}", { params: { path: { job_id } } });
assert.ok(typeof missing.error === "object"); // and not a page for a browser
assert.equal(missing.error.type, "urn:claimcheck:problem:not_found");
console.log("a client generated from openapi.yaml: a job from submit to delete");
