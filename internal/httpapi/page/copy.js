// What can be copied of a job: a link to its result, and the same work as a program.

const shell = (s) => `'${s.replaceAll("'", `'\\''`)}'`;

/** Commands and programs that submit a file and fetch the result, which belong together. */
const recipes = {
  curl: { title: "Copy as curl", text: asCurl },
  fetch: { title: "Copy as fetch", text: asFetch },
  python: { title: "Copy as Python", text: asPython },
};

function asCurl({ name, params }) {
  const auth = needsToken ? ` -H "${authHeader}: Bearer $TOKEN"` : "";
  const plain = /^[\w.-]+$/.test(name);
  const file = plain ? `image=@${name}` : shell(`image=@"${name.replace(/["\\]/g, "\\$&")}"`);
  const form = params ? ` --form-string ${shell(`params=${params}`)}` : "";
  return `# Submit the image, wait for the end, and save the result under its own name.
job=$(curl -sS${auth} -o /dev/null -w '%header{location}' -F ${file}${form} ${shell(at("jobs"))})
curl -sS${auth} -o /dev/null -H 'Prefer: wait=60' "$job"
curl -fsSOJ${auth} "$job/output"
`;
}

function asFetch({ name, params }) {
  const auth = needsToken ? `{ ${JSON.stringify(authHeader)}: \`Bearer \${token}\` }` : "{}";
  const form = params ? `\nform.append("params", ${JSON.stringify(params)});` : "";
  return `// file is a File or Blob, such as that of an <input type="file">, of ${name.replace(/[\r\n]/g, " ")}.
const headers = ${auth};
const form = new FormData();
form.append("image", file);${form}
let job = await (await fetch(${JSON.stringify(at("jobs"))}, { method: "POST", headers, body: form })).json();
const url = job.location; // of a job that was accepted
while (["pending", "processing"].includes(job.status)) job = await (await fetch(url, { headers: { ...headers, Prefer: "wait=20" } })).json();
if (job.status !== "completed") throw new Error(job.message ?? job.detail);
const result = await (await fetch(job.location, { headers })).blob();
`;
}

function asPython({ name, params }) {
  const auth = needsToken ? `{${JSON.stringify(authHeader)}: "Bearer " + token}` : "{}";
  const form = params ? `, data={"params": ${JSON.stringify(params)}}` : "";
  return `import requests  # pip install requests

headers = ${auth}
with open(${JSON.stringify(name)}, "rb") as image:
    job = requests.post(${JSON.stringify(at("jobs"))}, headers=headers, files={"image": image}${form}).json()
url = job.get("location")  # of a job that was accepted
while job["status"] in ("pending", "processing"):
    job = requests.get(url, headers={**headers, "Prefer": "wait=20"}).json()
if job["status"] != "completed":
    raise SystemExit(job.get("message") or job.get("detail"))
with open("result", "wb") as result:
    result.write(requests.get(job["location"], headers=headers).content)
`;
}

/** Copies text, or shows it in an area where the browser does not let a page copy. */
async function copied(text, button, area) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    area.value = text;
    area.hidden = false;
    area.focus();
    area.select();
    return;
  }
  news("Copied");
  const label = button.firstChild;
  const before = (button.dataset.label ??= label.data);
  label.data = "Copied";
  await sleep(2);
  label.data = before;
}

/** A file name without what no file name may have, and with the ending of a type. */
function resultName(name, type) {
  return `${name.replace(/\.[^.]*$/, "").replace(/[/\\]/g, "_")}-processed${endings[type] ?? ""}`;
}

const endings = {
  "image/jpeg": ".jpg", "image/png": ".png", "image/gif": ".gif", "image/webp": ".webp", "image/tiff": ".tiff", "image/avif": ".avif",
  "image/jxl": ".jxl", "image/svg+xml": ".svg", "application/json": ".json", "application/pdf": ".pdf", "text/plain": ".txt",
};

/** Saves all results of cards as one zip, which is made here as they come. */
async function saveAll(all, progress) {
  const names = new Set();
  const unique = (name) => {
    let free = name;
    for (let n = 2; names.has(free.toLowerCase()); n++) free = name.replace(/(\.[^.]*)?$/, ` (${n})$1`);
    names.add(free.toLowerCase());
    return free;
  };
  let done = 0;
  async function* files() {
    for (const card of all) {
      progress(done++);
      const answer = await request("GET", `jobs/${card.id}/output`, { as: "blob", time: 600 });
      if (answer.status === 404) continue; // it was deleted meanwhile
      if (!answer.ok) throw problemOf(answer);
      yield { name: unique(resultName(card.name, card.job.output?.content_type)), input: answer.body, lastModified: new Date(card.job.updated_at) };
    }
  }
  const bytes = all.reduce((sum, card) => sum + (card.job.output?.size_bytes ?? 0), 0);
  const name = `claimcheck-${new Date().toISOString().slice(0, 10)}.zip`;
  if (bytes > 256 << 20 && window.showSaveFilePicker) { // more than a page should hold
    const handle = await window.showSaveFilePicker({ suggestedName: name, types: [{ accept: { "application/zip": [".zip"] } }] });
    return downloadZip(files()).body.pipeTo(await handle.createWritable());
  }
  const url = URL.createObjectURL(await downloadZip(files()).blob());
  save(url, name);
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** Has the browser keep what is at a URL under a name. */
function save(url, name) {
  const a = document.createElement("a");
  a.href = url;
  a.download = name;
  a.click();
}
