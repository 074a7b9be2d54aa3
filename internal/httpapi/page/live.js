// How jobs stand, as it happens: by the event stream of a status, or where the service
// has none, by asking.

let streams = true; // until the service says that it has none

/** The jobs of which the page does not know the end. */
const unfinished = () => [...cards].filter((c) => c.id && !c.over);

/** Of more jobs than can have a stream at a time the list tells, once for all of them. */
const overPlaces = () => unfinished().length > waits.places;

/** An abort signal for as long as the page is visible. */
function whileSeen(signal) {
  const hidden = new AbortController();
  const stop = () => { if (document.hidden) hidden.abort(); };
  document.addEventListener("visibilitychange", stop, { signal: hidden.signal });
  return { signal: AbortSignal.any([signal, hidden.signal]), hidden: hidden.signal, end: () => hidden.abort() };
}

/** Follows the job to its end, as long as the page is visible. */
Card.prototype.follow = async function follow() {
  let failures = 0;
  for (let asked = 0, state = ""; !this.over;) {
    await seen();
    this.gone.signal.throwIfAborted();
    try {
      if (streams && (listed || !overPlaces())) {
        await waits.through(() => this.stream());
        failures = 0;
        continue;
      }
      if (state !== this.node.dataset.state) asked = 0;
      state = this.node.dataset.state;
      await this.ask(asked++);
      failures = 0;
    } catch (e) {
      if (!(e instanceof Problem) || !e.passing || ++failures > 6) throw e;
      this.report(e.message, "The page tries again by itself.");
      await sleep(e.retryAfter || Math.min(30, 2 ** failures));
    }
  }
};

/**
 * Asks once. When something has just changed it waits at the service for the end; later it
 * asks now and then, at least every five seconds. Of more jobs than can wait at a time each
 * asks when the service says that it makes sense.
 */
Card.prototype.ask = async function ask(asked) {
  const crowd = overPlaces();
  const wait = crowd ? 0 : [2, 5, 5, 5][asked] ?? 0;
  let begun = 0;
  const answer = await (streams ? fetches : waits).through(() => {
    begun = performance.now();
    return request("GET", `jobs/${this.id}`, { headers: wait ? { Prefer: `wait=${wait}` } : {}, signal: this.gone.signal, time: wait + 30 });
  });
  const early = performance.now() - begun < 900 * wait; // it has not waited, whatever its header says
  if (!answer.ok) throw problemOf(answer);
  this.update(answer.json);
  if (!this.over && (early || !wait)) await sleep(Math.min(answer.retryAfter || 1, crowd ? 30 : 5));
};

/** Reads the event stream of the status until the job is over or the stream ends. */
Card.prototype.stream = async function stream() {
  if (this.over || document.hidden) return;
  const look = whileSeen(this.gone.signal);
  try {
    const used = token();
    const answer = await fetch(at(`jobs/${this.id}`), {
      headers: { Accept: "text/event-stream", ...(used && { [authHeader]: `Bearer ${used}` }), ...(this.event && { "Last-Event-ID": this.event }) },
      signal: look.signal, cache: "no-store",
    });
    if (!answer.headers.get("Content-Type")?.startsWith("text/event-stream")) {
      if (answer.ok || answer.status === 406) streams = false;
      else await this.refresh(); // by which the refusal is dealt with
      return;
    }
    let retry = 1;
    for await (const { event, data, id, wait } of events(answer.body)) {
      if (wait) retry = wait;
      if (id) this.event = id;
      if (event === "status") this.update(JSON.parse(data));
      if (this.over) return;
    }
    await sleep(retry);
  } catch (e) {
    if (look.hidden.aborted && !this.gone.signal.aborted) return; // the page is hidden
    if (e instanceof TypeError || e.name === "AbortError" && !this.gone.signal.aborted) throw lost();
    throw e;
  } finally {
    look.end();
  }
};

/** The events of a stream (HTML Standard, 9.2.6). */
async function* events(body) {
  let rest = "";
  let next = { event: "message", data: "" };
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value: text } = await reader.read();
    if (done) return;
    const lines = (rest + text).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    for (const line of lines) {
      const [, name, value] = /^([^:]*):? ?(.*)$/.exec(line);
      if (line === "") {
        if (next.data || next.wait) yield next;
        next = { event: "message", data: "" };
      } else if (name === "data") {
        next.data += (next.data && "\n") + value;
      } else if (name === "retry") {
        next.wait = Number(value) / 1000 || 0;
      } else if (name === "event" || name === "id") {
        next[name] = value;
      }
    }
  }
}

const crowd = { pause: 2, wake: () => {} }; // seconds between two looks at the list

/** Has the crowd looked at soon: a job has changed, or there is another. */
function stirred() {
  crowd.pause = 2;
  crowd.wake();
}

/**
 * Follows a crowd by the list, while there is one: the newest jobs, and so on to the oldest that
 * is not over. While nothing changes it asks less and less often, down to twice a minute.
 */
async function followCrowd() {
  for (;;) {
    await seen();
    const { pause } = crowd;
    await Promise.race([sleep(pause), new Promise((done) => { crowd.wake = () => { if (pause > 2) done(); }; })]);
    if (crowd.pause < pause) continue;
    if (!listed || !overPlaces()) continue;
    crowd.pause = Math.min(2 * pause, 30);
    const oldest = Math.min(...unfinished().map((c) => c.created));
    for (let url = at("jobs?limit=100"), pages = 0; url && pages < 10; pages++) {
      const answer = await request("GET", url).catch(() => null);
      if (!answer?.ok) break;
      for (const job of answer.json.jobs) {
        const card = byID.get(job.job_id);
        if (card && !card.over) card.update(job);
      }
      const last = answer.json.jobs.at(-1);
      url = last && Date.parse(last.created_at) > oldest ? nextOf(answer) : "";
    }
  }
}
