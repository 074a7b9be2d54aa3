// The jobs, a card for each. This browser keeps the names of the files that it has
// uploaded; the service does not.

const memory = `claimcheck jobs ${base.pathname}`;
const cards = new Set();
const undoTime = 6; // seconds for which a deletion can be undone

function remembered() {
  try {
    return JSON.parse(ofBrowser.get(memory) ?? "[]").filter((j) => typeof j.id === "string" && typeof j.name === "string");
  } catch {
    return [];
  }
}

/** Other tabs have jobs as well: change what is there, never replace it. */
function remember(job) {
  const all = [job, ...remembered().filter((j) => j.id !== job.id)].sort((a, b) => b.at - a.at);
  ofBrowser.set(memory, JSON.stringify(all.slice(0, 500)));
}

function forget(id) {
  ofBrowser.set(memory, JSON.stringify(remembered().filter((j) => j.id !== id)));
}

/** The time in milliseconds, later with each call: by it the list is in order. */
const stamp = () => (lastStamp = Math.max(Date.now(), lastStamp + 1));
let lastStamp = 0;

const states = {
  waiting: "Waiting", uploading: "Uploading", pending: "Pending", processing: "Processing",
  completed: "Completed", failed: "Failed", canceled: "Canceled", refused: "Not accepted", gone: "Gone", deleting: "Deleted",
};
const endsAs = { waiting: "Cancel", uploading: "Cancel", refused: "Dismiss", gone: "Dismiss" }; // else: Delete
const ahead = { waiting: "It uploads after the images before it", uploading: "Uploading", pending: "Waiting for a worker", processing: "Processing" };
const shownTypes = /^image\/(jpeg|png|gif|webp|avif|bmp|svg\+xml)$/;
const mostShown = 32 << 20; // bytes of a picture that the page loads by itself

class Card {
  id = "";
  over = false; // and reported
  job = {}; // its status, as the service says it
  key = newKey();
  created = Infinity; // until the service says when
  at = stamp();
  gone = new AbortController();
  urls = [];

  constructor(name, file, params) {
    Object.assign(this, { name, file, params });
    this.node = $("#card").content.firstElementChild.cloneNode(true);
    this.node.card = this;
    this.$("h3").textContent = name;
    this.$("h3").title = name;
    for (const [what, does] of Object.entries({
      again: () => this.again(), cancel: () => this.cancel(), delete: () => this.remove(), undo: () => this.undo(), link: () => this.link(),
      hook: () => this.deliveries(), replay: () => this.deliveries("POST"), dismiss: () => this.dismiss(),
      curl: () => this.copy("curl"), fetch: () => this.copy("fetch"), python: () => this.copy("python"),
      "before .picture": () => enlarge(this, ".before"), "after .picture": () => enlarge(this, ".after"),
    })) this.$(`.${what}`).onclick = does;
    for (const b of this.node.querySelectorAll("button:not(.picture), .button, summary")) {
      const about = document.createElement("span"); // ten buttons called Delete are none for who only hears them
      about.className = "unseen";
      about.textContent = ` ${name}`;
      b.append(about);
    }
    this.$(".command").setAttribute("aria-label", `Commands for ${name}`);
    this.$(".tries").setAttribute("aria-label", `Deliveries of the webhook of ${name}`);
    cards.add(this);
    this.state("waiting");
  }

  $(selector) { return $(selector, this.node); }

  state(name) {
    if (this.node.dataset.state === name) return;
    this.node.dataset.state = name;
    this.$(".state").textContent = states[name];
    this.$(".delete").firstChild.data = endsAs[name] ?? "Delete";
    this.$(".cancel").hidden = !["pending", "processing"].includes(name) || !this.id || !can("POST /jobs/{job_id}/cancel");
    this.$(".progress").hidden = true;
    if (!this.$(".after img")) this.$(".after .picture").textContent = ahead[name] ?? "No result";
    if (name !== "waiting" && name !== "uploading" && !this.quiet) news(`${this.name}: ${states[name]}`);
    overview();
  }

  report(what, next = "") {
    this.$(".problem").hidden = !what;
    this.$(".what").textContent = what;
    this.$(".next").textContent = next;
    if (what && !this.quiet) news(`${this.name}: ${what} ${next}`);
  }

  known(id) {
    this.id = id;
    stirred();
    this.$("code").textContent = id;
    this.$(".menu").hidden = false;
    this.$(".hook").hidden = !config.webhooks;
  }

  /** Follows the job from its present state to its end. */
  async run() {
    this.report("");
    if (this.$(".again") === document.activeElement) this.$(".delete").focus();
    this.$(".again").hidden = true;
    try {
      if (!this.id) {
        if (this.file.size === 0) throw new Problem("This file is empty.", { status: 400, next: "Choose another." });
        this.show(".before", this.file.type, this.file.size, this.file);
        await uploads.through(() => this.submit());
      }
      await this.follow();
    } catch (e) {
      if (this.gone.signal.aborted) return;
      if (!(e instanceof Problem)) {
        console.error(e);
        e = new Problem(sentence(`this page failed: ${e.message}`), { next: "Reload it; if that does not help, report it to the operator of this service." });
      }
      const gone = this.id && e.status === 404;
      if (!this.id) this.state("refused");
      if (gone) {
        this.over = true;
        this.state("gone");
      }
      this.report(e.message, gone ? "It was deleted, or it has expired." : e.next);
      this.$(".again").hidden = !e.passing && !(e.status === 400 && this.file?.size);
    }
  }

  /** Tries again: a submit that was refused, or another job of the file of one that has failed. */
  again() {
    const how = params();
    if (this.id && !this.over) return this.run(); // what was lost is the connection
    if (how === null) return undefined;
    if (this.id) return leave([this.file]);
    if (how !== this.params) { // what was refused has made no job; under its key there is none
      this.params = how;
      this.key = newKey();
    }
    return this.run();
  }

  async submit() {
    this.gone.signal.throwIfAborted();
    this.state("uploading");
    this.uploaded(0, this.file.size);
    const headers = { "Content-Type": this.file.type.startsWith("image/") ? this.file.type : "application/octet-stream", "Idempotency-Key": this.key };
    const query = this.params ? `?params=${encodeURIComponent(this.params)}` : "";
    let answer = await request("POST", `jobs${query}`, { headers, body: this.file, progress: (n, of) => this.uploaded(n, of), signal: this.gone.signal });
    if (answer.status === 413 && !answer.json?.type) answer = await this.announce(); // a proxy in front of the service refused it
    const upload = answer.json?.upload;
    if (!answer.ok && !upload) throw problemOf(answer);
    const id = answer.json.job_id;
    this.offered = upload ? id : "";
    try {
      this.gone.signal.throwIfAborted();
      if (upload) await this.put(id, upload);
      this.gone.signal.throwIfAborted();
    } catch (e) {
      if (this.gone.signal.aborted) this.withdraw(id);
      throw e;
    }
    byID.get(id)?.drop(); // the list was faster
    this.known(id);
    byID.set(id, this);
    this.created = Date.parse(answer.json.created_at) || this.at;
    remember({ id: this.id, name: this.name, at: this.at });
    this.state(upload ? "pending" : answer.json.status);
    this.facts();
  }

  /** Deletes the job of an image that was canceled too late for there to be none. */
  async withdraw(id) {
    try {
      const answer = await request("DELETE", `jobs/${id}`);
      if (!answer.ok && answer.status !== 404) throw problemOf(answer);
    } catch { // then it is there to be deleted
      remember({ id, name: this.name, at: this.at });
    }
  }

  announce() {
    const body = JSON.stringify({ content_type: this.file.type, size_bytes: this.file.size, params: this.params ? JSON.parse(this.params) : undefined });
    return request("POST", "jobs", { headers: { "Content-Type": "application/json", "Idempotency-Key": this.key }, body, signal: this.gone.signal });
  }

  /** A direct upload: the image goes directly to storage, and then the commit to the service. */
  async put(id, upload) {
    const worker = new Worker(at("page/upload.js"));
    const stop = () => worker.terminate();
    this.gone.signal.addEventListener("abort", stop);
    let status;
    try {
      status = await new Promise((resolve, reject) => {
        this.gone.signal.addEventListener("abort", () => reject(this.gone.signal.reason), { once: true });
        worker.onmessage = ({ data }) => ("status" in data ? resolve(data.status) : this.uploaded(data.loaded, data.total));
        worker.onerror = () => reject(lost());
        worker.postMessage({ ...upload, file: this.file });
      });
    } finally {
      stop();
    }
    if (status === 0) throw new Problem("The upload to storage failed.", { next: "Try again. If it fails every time, the operator must allow this page's origin in the bucket's CORS rules." });
    if (status >= 300 && status !== 412) throw new Problem(`Storage refused the upload with status ${status}.`, { status, next: "Choose the image again." }); // 412: it is there already
    const answer = await request("POST", `jobs/${id}/commit`, { signal: this.gone.signal });
    if (!answer.ok) throw problemOf(answer);
  }

  uploaded(bytes, of) { this.progress("Upload", of ? bytes / of : 0, `${size(bytes)} of ${size(of)}`); }

  progress(what, fraction, words) {
    this.$("progress").value = fraction;
    this.$("progress").setAttribute("aria-label", `${what} of ${this.name}`);
    this.$(".progress span").textContent = words;
    this.$(".progress").hidden = false;
  }

  /** Shows a status of the service's. */
  update(job) {
    if (this.node.dataset.state === "deleting") return;
    if (job.updated_at !== this.job.updated_at) stirred();
    this.job = job;
    this.created = Date.parse(job.created_at) || this.created;
    this.caption(".before", job.input ?? {});
    if (job.params) this.params = JSON.stringify(job.params);
    this.over = ["completed", "failed", "canceled"].includes(job.status);
    if (this.over && !job.usage) this.learning ??= this.learnUsage();
    this.state(job.status); // before the reason, which a screen reader is to tell
    if (job.status === "failed") {
      this.report(sentence(job.message || "the job failed"), this.file ? "Submit another image, or try this one again with other parameters." : "Submit another image, or this one with other parameters.");
      this.$(".again").hidden = !this.file;
    } else if (job.status === "canceled") {
      this.report(sentence(job.message || "the job was canceled"));
    } else {
      this.report("");
    }
    if (job.status === "completed") this.arrived(job.output ?? {});
    if (job.progress && !this.over) this.progress("Processing", job.progress.fraction, [job.progress.note, `${Math.round(100 * job.progress.fraction)} %`].filter(Boolean).join(", "));
    this.facts();
  }

  /** Asks a minute long for what a job has used that was canceled during its processing: its worker knows. */
  async learnUsage() {
    for (let asked = 0; asked < 6 && !this.job.usage; asked++) {
      await sleep(10);
      await seen();
      if (this.gone.signal.aborted) return;
      const answer = await request("GET", `jobs/${this.id}`, { signal: this.gone.signal }).catch(() => null);
      if (answer?.json?.usage) {
        this.job = answer.json;
        this.facts();
      }
    }
  }

  /** Offers the result, and shows it once the card comes into sight. */
  arrived(output) {
    this.caption(".after", output);
    this.$(".download").hidden = false;
    this.$(".link").hidden = !can("POST /jobs/{job_id}/links");
    this.$(".download").onclick = () => this.download();
    if (this.$(".after img")) return;
    const [type, bytes] = [output.content_type ?? "", output.size_bytes ?? 0];
    this.$(".after .picture").textContent = shownTypes.test(type) && bytes <= mostShown ? "Loading" : `No preview of ${type || "this kind of file"} (${size(bytes)})`;
    if (shownTypes.test(type) && bytes <= mostShown) sight.observe(this.node);
  }

  /** Loads the result. An <img> sends no token, so with one we fetch. */
  async load() {
    const { content_type: type = "", size_bytes: bytes = 0 } = this.job.output ?? {};
    try {
      if (!token()) return this.show(".after", type, bytes, null, at(`jobs/${this.id}/output`));
      this.show(".after", type, bytes, await fetches.through(() => this.output()));
    } catch (e) {
      if (!this.gone.signal.aborted) this.$(".after .picture").textContent = "No preview";
    }
    return undefined;
  }

  async output() {
    const answer = await request("GET", `jobs/${this.id}/output`, { as: "blob", signal: this.gone.signal });
    if (!answer.ok) throw problemOf(answer);
    return answer.body;
  }

  /** The output's own header calls it by its job; under the image's name we have to keep it ourselves. */
  async download() {
    try {
      const url = URL.createObjectURL(await this.output());
      save(url, resultName(this.name, this.job.output?.content_type));
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
    } catch (e) {
      if (!(e instanceof Problem)) throw e;
      this.report(e.message, e.next);
    }
  }

  show(side, type, bytes, blob, url = blob && URL.createObjectURL(blob)) {
    if (blob) this.urls.push(url);
    const img = new Image();
    if (!blob) img.loading = "lazy";
    img.decoding = "async";
    img.alt = `${this.name} ${side === ".before" ? "before" : "after"}`;
    const picture = this.$(`${side} .picture`);
    img.onload = () => { picture.disabled = false; };
    img.onerror = () => {
      picture.disabled = true;
      picture.textContent = `No preview of ${type || "this kind of file"} (${size(bytes)})`;
    };
    img.src = url;
    picture.replaceChildren(img);
  }

  caption(side, { content_type: type, size_bytes: bytes, width, height }) {
    const parts = [type?.replace(/^image\//, "").toUpperCase(), width && `${width} × ${height}`, bytes !== undefined && size(bytes)];
    const words = parts.filter(Boolean).map((p) => p.replaceAll(" ", "\u00a0")).join(" · "); // no break but between
    this.$(`${side} figcaption span`).textContent = words;
    if (side === ".before") this.$(".was").textContent = words && `Before: ${words}`;
  }

  /** Age, cost and end of the job, in words. */
  facts() {
    if (!Number.isFinite(this.created)) return;
    const { usage, expires_at: expires } = this.job;
    this.$(".facts").textContent = [
      ago(this.created),
      usage?.processing_seconds !== undefined && `${usage.processing_seconds.toLocaleString("en", { maximumSignificantDigits: 2 })} s of work`,
      usage && cost(usage),
      expires && `kept until ${new Date(expires).toLocaleDateString("en", { day: "numeric", month: "short" })}`,
    ].filter(Boolean).map((p) => p.replaceAll(" ", "\u00a0")).join(" · ");
  }

  copy(kind) { return copied(recipes[kind].text(this), this.$(`.${kind}`), this.$(".command")); }

  /** Copies a signed URL of the result, which needs no token. */
  async link() {
    try {
      const answer = await request("POST", `jobs/${this.id}/links`, { headers: { "Content-Type": "application/json" }, body: JSON.stringify({ expires_in: 7 * 24 * 3600 }) });
      if (!answer.ok) throw problemOf(answer);
      await copied(answer.json.url, this.$(".link"), this.$(".command"));
    } catch (e) {
      if (!(e instanceof Problem)) throw e;
      this.report(e.message, e.next);
    }
  }

  async cancel() {
    try {
      const answer = await request("POST", `jobs/${this.id}/cancel`);
      if (!answer.ok && answer.status !== 409) throw problemOf(answer); // 409: it is over, and the status says how
      await this.refresh();
      this.$(".delete").focus();
    } catch (e) {
      if (!(e instanceof Problem)) throw e;
      this.report(e.message, e.next);
    }
  }

  /** Asks for the status once. */
  async refresh() {
    const answer = await request("GET", `jobs/${this.id}`, { signal: this.gone.signal });
    if (!answer.ok) throw problemOf(answer);
    this.update(answer.json);
  }

  /** Deletes the job, after a while in which that can be undone. */
  remove() {
    const was = this.node.dataset.state;
    if (!this.id || was === "gone") return this.removed();
    this.was = was;
    this.state("deleting");
    this.$(".undo").focus();
    this.leaving = setTimeout(() => this.sendDelete(), 1000 * undoTime);
    return undefined;
  }

  undo() {
    clearTimeout(this.leaving);
    this.leaving = 0;
    this.state(this.was);
    this.$(".delete").focus();
    if (!this.over) this.refresh().catch(() => { /* it is being followed */ });
  }

  async sendDelete() {
    this.leaving = 0;
    try {
      const answer = await request("DELETE", `jobs/${this.id}`);
      if (!answer.ok && answer.status !== 404) throw problemOf(answer);
    } catch (e) {
      this.state(this.was);
      this.report(e.message, e.next);
      return;
    }
    forget(this.id);
    this.removed();
  }

  /** Takes the card off the page. */
  drop() {
    byID.delete(this.id);
    this.gone.abort();
    for (const url of this.urls) URL.revokeObjectURL(url);
    this.node.remove();
    cards.delete(this);
  }

  /** Removes the card of a job that no longer exists from the page. */
  removed() {
    if (this.id) forget(this.id);
    const held = this.node.contains(document.activeElement);
    const beside = this.node.nextElementSibling ?? this.node.previousElementSibling;
    this.drop();
    if (!this.id && this.offered) this.withdraw(this.offered); // whose image did not get there
    if (held) (beside ? $(".delete", beside) : $("#files")).focus();
    news(`${this.name}: deleted`);
    overview();
  }
}

const newKey = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");

// What is deleted stays so when the page is left before its time is over.
addEventListener("pagehide", () => {
  for (const card of cards) {
    if (!card.leaving) continue;
    clearTimeout(card.leaving);
    fetch(at(`jobs/${card.id}`), { method: "DELETE", keepalive: true, headers: token() ? { [authHeader]: `Bearer ${token()}` } : {} });
    forget(card.id);
  }
});
