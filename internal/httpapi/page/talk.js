// The program of the page, whose parts are joined in the order of page.go. This part talks
// to the service, by the public API and nothing else. Browsers allow six connections to a
// host over HTTP/1, so two upload and three wait at any time.

// This document is the service's root, whatever prefix a front puts before it.
const base = new URL(location.href.replace(/[?#].*$/, "").replace(/\/?$/, "/"));
const at = (path) => new URL(path, base).href;
for (const a of document.querySelectorAll("[href]")) a.href = at(a.getAttribute("href"));

const $ = (selector, within = document) => within.querySelector(selector);
const news = (text) => { $("#news").textContent = text; };
const sleep = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

/** What the browser keeps; where it keeps nothing for sites, or no more, as long as the page lives. */
class Kept {
  #items = new Map();
  #name;
  constructor(name) { this.#name = name; }
  get(key) {
    try {
      return this.#items.get(key) ?? window[this.#name].getItem(key);
    } catch {
      return null;
    }
  }
  set(key, value) {
    this.#items.delete(key);
    try {
      window[this.#name].setItem(key, value);
    } catch {
      this.#items.set(key, value);
    }
  }
  remove(key) {
    this.#items.delete(key);
    try { window[this.#name].removeItem(key); } catch { /* nor does it keep anything */ }
  }
}
const ofTab = new Kept("sessionStorage");
const ofBrowser = new Kept("localStorage");

/** Resolves once the page is visible. */
const seen = () => new Promise((done) => {
  if (!document.hidden) return done();
  document.addEventListener("visibilitychange", () => done(seen()), { once: true });
});

/** A number of bytes as a person reads it. */
function size(n) {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte"];
  const i = Math.min(3, n < 1 ? 0 : Math.floor(Math.log10(n) / 3));
  return new Intl.NumberFormat("en", { style: "unit", unit: units[i], unitDisplay: i ? "short" : "long", maximumSignificantDigits: 3 }).format(n / 1000 ** i);
}

/** Lets so many callers in at a time, in order. */
class Gate {
  #queue = [];
  #free;
  constructor(places) { this.places = this.#free = places; }
  async through(work) {
    if (this.#free > 0) this.#free--;
    else await new Promise((next) => this.#queue.push(next));
    try {
      return await work();
    } finally {
      const next = this.#queue.shift();
      if (next) next();
      else this.#free++;
    }
  }
}
const uploads = new Gate(2);
const waits = new Gate(3);
const fetches = new Gate(3);

/** What went wrong, in the words of the service where it has some. */
class Problem extends Error {
  constructor(what, { status = 0, next = "", body = {}, retryAfter = 0 } = {}) {
    super(what);
    Object.assign(this, { status, next, body, retryAfter });
  }
  /** Whether the same request may do better another time. */
  get passing() { return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500; }
}

const lost = () => new Problem("The connection to the service broke.", { next: "Check your network, then try again; a repeat does nothing twice." });

/** What to do about a refusal, where the service's own words leave that open. */
const remedies = {
  400: "Correct this, then try again.",
  403: "Ask the operator of this service for the right.",
  413: "Make it smaller, or choose another.",
  415: "Choose another file.",
};

function problemOf(answer) {
  const body = answer.json ?? {};
  const detail = body.detail ?? (answer.status === 413 ? "the image is too large for a proxy in front of this service" : `the service answered with status ${answer.status}`);
  const next = remedies[answer.status] ? [remedies[answer.status]] : [];
  if (answer.retryAfter) next.push(`Try again in ${answer.retryAfter} s.`);
  if (answer.status >= 500 && answer.requestID) next.push(`The operator finds it in the log as request ${answer.requestID}.`);
  return new Problem(sentence(detail.replaceAll("the body", "the file")), { // which is what a browser's user has sent
    status: answer.status, next: next.join(" "), body, retryAfter: answer.retryAfter });
}

const sentence = (s) => s.charAt(0).toUpperCase() + s.slice(1).replace(/\.?$/, ".");

/**
 * One request to the service; where it asks for a token, so do we, and repeat.
 * With progress(loaded, total) it reports how much of the body has been sent. A signal stops
 * it, unless the body has gone whole: then the answer says what came of it. What carries
 * no body is given up when no answer comes in time, in seconds.
 */
async function request(method, path, { headers = {}, body, progress, signal, as = "text", time = 60 } = {}) {
  for (;;) {
    const used = token();
    const all = used ? { ...headers, [authHeader]: `Bearer ${used}` } : headers;
    const answer = await once(method, at(path), all, body, progress, signal, as, time);
    if (answer.status === 401 && /^Bearer/i.test(answer.header("WWW-Authenticate") ?? "")) {
      if (token() === used && !(used && await refresh())) await signIn(used ? answer.json?.detail : "");
      continue;
    }
    return answer;
  }
}

function once(method, url, headers, body, progress, signal, as, time) {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    let whole = false;
    xhr.open(method, url);
    xhr.responseType = as;
    for (const [name, value] of Object.entries(headers)) xhr.setRequestHeader(name, value);
    if (progress) xhr.upload.onprogress = (e) => progress(e.loaded, e.total);
    if (!body && as === "text") xhr.timeout = time * 1000;
    xhr.ontimeout = () => reject(new Problem("The service does not answer.", { next: "Try again in a while." }));
    if (body) xhr.upload.onload = () => { whole = true; };
    xhr.onload = () => resolve(answerOf(xhr, as));
    xhr.onerror = () => reject(lost());
    xhr.onabort = () => reject(signal.reason);
    signal?.throwIfAborted();
    signal?.addEventListener("abort", () => { if (!whole) xhr.abort(); }, { once: true });
    xhr.send(body);
  });
}

function answerOf(xhr, as) {
  const header = (name) => xhr.getResponseHeader(name);
  let json = null;
  if (as === "text" && /[/+]json/.test(header("Content-Type") ?? "")) {
    try { json = JSON.parse(xhr.responseText); } catch { /* then it is none */ }
  }
  return {
    status: xhr.status, ok: xhr.status >= 200 && xhr.status < 300, header, json, body: xhr.response,
    retryAfter: Number(header("Retry-After")) || 0, requestID: header("X-Request-Id"),
  };
}
