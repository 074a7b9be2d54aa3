// Second part: the jobs, a card for each. This browser keeps their ids and names.

const memory = `claimcheck jobs ${base.pathname}`;
const cards = new Set();

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
  ofBrowser.set(memory, JSON.stringify(all.slice(0, 50)));
}

function forget(id) {
  ofBrowser.set(memory, JSON.stringify(remembered().filter((j) => j.id !== id)));
}

/** The time in milliseconds, later with each call: by it the list is in order. */
const stamp = () => (lastStamp = Math.max(Date.now(), lastStamp + 1));
let lastStamp = 0;

const states = {
  waiting: "Waiting", uploading: "Uploading", pending: "Pending", processing: "Processing",
  completed: "Completed", failed: "Failed", refused: "Not accepted", gone: "Gone",
};
const endsAs = { waiting: "Cancel", uploading: "Cancel", refused: "Dismiss", gone: "Dismiss" }; // else: Delete
const ahead = { waiting: "It uploads after the images before it", uploading: "Uploading", pending: "Waiting for a worker", processing: "Processing" };

class Card {
  id = "";
  over = false; // and reported
  key = newKey();
  at = stamp();
  gone = new AbortController();
  urls = [];

  constructor(name, file, params) {
    Object.assign(this, { name, file, params });
    this.node = $("#card").content.firstElementChild.cloneNode(true);
    this.$("h3").textContent = name;
    for (const [what, does] of [["again", () => this.run()], ["curl", () => this.copy()], ["delete", () => this.remove()]]) {
      this.$(`.${what}`).onclick = does;
    }
    for (const b of this.node.querySelectorAll("button, .button")) {
      const about = document.createElement("span"); // ten buttons called Delete are none for who only hears them
      about.className = "unseen";
      about.textContent = ` ${name}`;
      b.append(about);
    }
    this.$(".command").setAttribute("aria-label", `Commands for ${name}`);
    cards.add(this);
    $("#none").hidden = true;
    this.state("waiting");
  }

  $(selector) { return $(selector, this.node); }

  state(name) {
    if (this.node.dataset.state === name) return;
    this.node.dataset.state = name;
    this.$(".state").textContent = states[name];
    this.$(".delete").firstChild.data = endsAs[name] ?? "Delete";
    this.$(".progress").hidden = true;
    if (!this.$(".after img")) this.$(".after .picture").textContent = ahead[name] ?? "No result";
    if (name !== "waiting" && name !== "uploading") news(`${this.name}: ${states[name]}`);
  }

  report(what, next = "") {
    this.$(".problem").hidden = !what;
    this.$(".what").textContent = what;
    this.$(".next").textContent = next;
    if (what) news(`${this.name}: ${what} ${next}`);
  }

  known(id) {
    this.id = id;
    this.$("code").textContent = id;
    this.$(".curl").hidden = false;
  }

  /** From wherever the job stands to its end. */
  async run() {
    this.report("");
    if (this.$(".again") === document.activeElement) this.$(".delete").focus();
    this.$(".again").hidden = true;
    try {
      if (!this.id) {
        if (this.file) this.show(".before", this.blobURL(this.file), this.file.type, this.file.size);
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
      if (gone) this.state("gone");
      this.report(e.message, gone ? "It was deleted, or it has expired." : e.next);
      this.$(".again").hidden = !e.passing;
    }
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
    this.known(id);
    this.direct = Boolean(upload);
    remember({ id: this.id, name: this.name, at: this.at, direct: this.direct });
    this.state(upload ? "pending" : answer.json.status);
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

  /**
   * Asks until the job is over, as long as the page is visible. When something has just changed
   * it waits at the service for the end; later it asks now and then, at least every five
   * seconds. Of more jobs than can wait at a time each asks when the service says that it
   * makes sense.
   */
  async follow() {
    let failures = 0;
    for (let asked = 0, state = ""; !this.over; asked++) {
      await seen();
      this.gone.signal.throwIfAborted();
      if (state !== this.node.dataset.state) asked = 0;
      state = this.node.dataset.state;
      const crowd = [...cards].filter((c) => c.id && !c.over).length > waits.places;
      const wait = crowd ? 0 : [2, 5, 5, 5][asked] ?? 0;
      try {
        let begun = 0;
        const answer = await waits.through(() => {
          begun = performance.now();
          return request("GET", `jobs/${this.id}`, { headers: wait ? { Prefer: `wait=${wait}` } : {}, signal: this.gone.signal, time: wait + 30 });
        });
        const early = performance.now() - begun < 900 * wait; // it has not waited, whatever its header says
        if (!answer.ok) throw problemOf(answer);
        failures = 0;
        if (!this.$(".problem").hidden) this.report("");
        await this.update(answer.json);
        if (!this.over && (early || !wait)) await sleep(Math.min(answer.retryAfter || 1, crowd ? 30 : 5));
      } catch (e) {
        if (!(e instanceof Problem) || !e.passing || ++failures > 6) throw e;
        this.report(e.message, "The page tries again by itself.");
        await sleep(e.retryAfter || Math.min(30, 2 ** failures));
      }
    }
  }

  async update(job) {
    const { input, output, progress } = job;
    this.caption(".before", input);
    if (job.params) this.params = JSON.stringify(job.params);
    if (job.status === "failed") {
      this.state(job.status); // before the reason, which a screen reader is to tell
      this.report(sentence(job.message || "the job failed"), "Submit another image, or this one with other parameters.");
    }
    if (job.status === "completed") await this.arrived(output ?? {});
    this.over = job.status === "completed" || job.status === "failed";
    this.state(job.status);
    if (progress) this.progress("Processing", progress.fraction, [progress.note, `${Math.round(100 * progress.fraction)} %`].filter(Boolean).join(", "));
  }

  /** Shows the result and offers it. An <img> sends no token, so with one we fetch. */
  async arrived(output) {
    let url = at(`jobs/${this.id}/output`);
    if (token()) {
      const answer = await request("GET", `jobs/${this.id}/output`, { as: "blob", signal: this.gone.signal });
      if (!answer.ok) throw problemOf(answer);
      url = this.blobURL(answer.body);
    }
    this.show(".after", url, output.content_type ?? "", output.size_bytes ?? 0);
    this.caption(".after", output);
    const a = this.$(".download");
    a.href = url;
    a.download = this.name.replace(/\.[^.]*$/, "") + "-processed" + (endings[output.content_type] ?? "");
    a.onclick = (e) => this.download(e);
    a.hidden = false;
  }

  /** The output's own header calls it by its job; under the image's name we have to keep it ourselves. */
  async download(event) {
    const a = this.$(".download");
    if (a.href.startsWith("blob:")) return;
    event.preventDefault();
    try {
      const answer = await request("GET", `jobs/${this.id}/output`, { as: "blob", signal: this.gone.signal });
      if (!answer.ok) throw problemOf(answer);
      a.href = this.blobURL(answer.body);
      a.click();
    } catch (e) {
      if (!(e instanceof Problem)) throw e;
      this.report(e.message, e.next);
    }
  }

  show(side, url, type, bytes) {
    const img = new Image();
    img.loading = "lazy";
    img.alt = `${this.name} ${side === ".before" ? "before" : "after"}`;
    img.onerror = () => img.replaceWith(`No preview of ${type || "this kind of file"} (${size(bytes)})`);
    img.src = url;
    this.$(`${side} .picture`).replaceChildren(img);
  }

  caption(side, { content_type: type, size_bytes: bytes, width, height }) {
    const parts = [type?.replace(/^image\//, "").toUpperCase(), width && `${width} × ${height}`, bytes !== undefined && size(bytes)];
    this.$(`${side} figcaption span`).textContent = parts.filter(Boolean).map((p) => p.replaceAll(" ", "\u00a0")).join(" · "); // no break but between
    const picture = this.$(`${side} .picture`);
    if (!picture.hasChildNodes()) picture.textContent = "Only you have the original: the service does not return it.";
  }

  blobURL(blob) {
    const url = URL.createObjectURL(blob);
    this.urls.push(url);
    return url;
  }

  async copy() {
    const auth = token() ? ` -H "${authHeader}: Bearer $TOKEN"` : "";
    const plain = /^[\w.-]+$/.test(this.name);
    const file = plain ? `image=@${this.name}` : shell(`image=@"${this.name.replace(/["\\]/g, "\\$&")}"`);
    const params = this.params ? ` --form-string ${shell(`params=${this.params}`)}` : "";
    const submit = this.direct ? "" : `curl${auth} -F ${file}${params} ${shell(at("jobs"))}\n`; // one that is too large for that
    const text = `${submit}curl${auth} -OJ ${shell(at(`jobs/${this.id}/output`))}\n`;
    try {
      await navigator.clipboard.writeText(text);
      news(`Copied the commands for ${this.name}`);
      this.$(".curl").firstChild.data = "Copied";
      await sleep(2);
      this.$(".curl").firstChild.data = "Copy as curl";
    } catch { // no right to the clipboard: then by hand
      const area = this.$(".command");
      area.value = text;
      area.hidden = false;
      area.focus();
      area.select();
    }
  }

  async remove() {
    if (this.id) {
      try {
        const answer = await request("DELETE", `jobs/${this.id}`);
        if (!answer.ok && answer.status !== 404) throw problemOf(answer);
      } catch (e) {
        this.report(e.message, e.next);
        return;
      }
      forget(this.id);
    }
    this.gone.abort();
    if (!this.id && this.offered) this.withdraw(this.offered); // whose image did not get there
    for (const url of this.urls) URL.revokeObjectURL(url);
    const beside = this.node.nextElementSibling ?? this.node.previousElementSibling;
    this.node.remove();
    cards.delete(this);
    $("#none").hidden = cards.size > 0;
    (beside ? $(".delete", beside) : $("#files")).focus();
    news(`${this.name}: deleted`);
  }
}

const endings = { "image/jpeg": ".jpg", "image/png": ".png", "image/gif": ".gif", "image/webp": ".webp", "image/tiff": ".tiff", "application/json": ".json", "application/pdf": ".pdf", "text/plain": ".txt" };
const shell = (s) => `'${s.replaceAll("'", `'\\''`)}'`;
const newKey = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
