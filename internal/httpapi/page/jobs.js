// My jobs: those that this tab has submitted, and by the list of the service those of
// other days and other devices.

const byID = new Map(); // cards by job
let listed = can("GET /jobs"); // until the service says that it keeps no list
let next = ""; // URL of the next part of the list; empty at its end
let loading = null;
let newest = 0; // when the first job of the present walk through the list was created
let whole = 0; // the page has all jobs that were created until then
const filters = { active: ["pending", "processing"], completed: ["completed"], failed: ["failed"], canceled: ["canceled"] };
const sides = { active: ["waiting", "uploading"], failed: ["refused"] }; // what the page itself adds

const wanted = () => filters[$("#filter").value];
const matchesFilter = (card) => !wanted() || [...wanted(), ...(sides[$("#filter").value] ?? [])].includes(card.node.dataset.state) || card.node.dataset.state === "deleting";
const firstPage = () => at(`jobs?limit=24${(wanted() ?? []).map((s) => `&status=${s}`).join("")}`);

/** The URL of the next part, at the address by which the browser knows the service. */
function nextOf(answer) {
  try {
    return answer.json.next ? at(`jobs${new URL(answer.json.next, base).search}`) : "";
  } catch {
    return "";
  }
}

/** Shows the jobs from the newest on. */
function fromTheTop() {
  next = listed ? firstPage() : "";
  newest = 0;
  if (listed) more();
  else fromMemory();
  overview();
}

/** Loads one more part of the list. */
function more() {
  if (!next) return null;
  loading ??= (async () => {
    const [url, filter] = [next, $("#filter").value];
    try {
      const answer = await request("GET", url);
      if (filter !== $("#filter").value) return;
      next = "";
      if (answer.status === 404 || answer.status === 405) return fromMemory(); // LIST_JOBS is off
      if (!answer.ok) throw problemOf(answer);
      const names = new Map(remembered().map((j) => [j.id, j.name]));
      const { jobs } = answer.json;
      for (const job of jobs) have(job, names.get(job.job_id));
      newest ||= Date.parse(jobs[0]?.created_at);
      next = Date.parse(jobs.at(-1)?.created_at) <= whole ? "" : nextOf(answer);
      if (!next && !filter && newest) whole = newest - 60_000; // servers' clocks differ a little
      end.unobserve($("#more")); // a tall window wants the next part as well
      end.observe($("#more"));
      $("#list-why").textContent = "";
    } catch (e) {
      if (!(e instanceof Problem)) throw e;
      next = url;
      $("#list-why").textContent = `${e.message} ${e.next}`;
    } finally {
      loading = null;
      overview();
    }
  })();
  return loading;
}

/** Puts a job of the list where it belongs, or brings its card up to date. */
function have(job, name) {
  let card = byID.get(job.job_id);
  if (card?.over) return;
  if (!card) {
    card = cardOf(job.job_id, name ?? nameOf(job));
    card.created = Date.parse(job.created_at);
    const older = [...$("#jobs").children].find((n) => n.card.created < card.created);
    if (older) older.before(card.node);
    else $("#jobs").append(card.node);
    card.update(job);
    if (card.over) card.quiet = false; // and it keeps its reason
    else card.run().finally(() => { card.quiet = false; });
    return;
  }
  card.update(job);
}

/** The card of a job that is there already, of which no news is read out until it changes. */
function cardOf(id, name) {
  const card = new Card(name);
  card.quiet = true;
  card.known(id);
  byID.set(id, card);
  return card;
}

/** What a job is called whose file another device has sent. */
const nameOf = (job) => `Image of ${new Date(job.created_at).toLocaleString("en", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hour12: false })}`;

/** Without a list the page knows of the jobs that this browser has sent. */
function fromMemory() {
  listed = false;
  for (const { id, name } of remembered()) {
    if (byID.has(id)) continue;
    const card = cardOf(id, name);
    $("#jobs").append(card.node);
    card.state("pending");
    card.run().finally(() => { card.quiet = false; });
  }
}

/** What is said of all cards together; once for all changes of a moment. */
function overview() {
  overview.due ??= requestAnimationFrame(() => {
    overview.due = null;
    let seenOnes = 0;
    const counts = {};
    for (const card of cards) {
      card.node.hidden = !matchesFilter(card);
      if (!card.node.hidden) seenOnes++;
      counts[card.node.dataset.state] = (counts[card.node.dataset.state] ?? 0) + 1;
    }
    $("#jobs").classList.toggle("compact", seenOnes > 3);
    const under = ["waiting", "uploading", "pending", "processing"].reduce((n, s) => n + (counts[s] ?? 0), 0);
    $("#count").textContent = [`${seenOnes}${next ? "+" : ""} shown`, under && `${under} in progress`].filter(Boolean).join(", ");
    $("#toolbar").hidden = cards.size === 0 && !wanted();
    const saved = saveable().length;
    $("#save-all").hidden = saved < 2;
    if (!$("#save-all").disabled) $("#save-all").textContent = `Download all ${saved}`;
    $("#more").hidden = !next;
    $("#none").hidden = seenOnes > 0 || Boolean(next);
    $("#none").textContent = wanted() ? "There are no such jobs." : "Each result appears here, ready to download.";
  });
}

const saveable = () => [...$("#jobs").children].map((n) => n.card).filter((c) => !c.node.hidden && c.node.dataset.state === "completed");

$("#filter").onchange = () => {
  loading = null;
  fromTheTop();
};
$("#more").onclick = more;
const end = new IntersectionObserver((entries) => { if (entries.at(-1).isIntersecting) more(); }, { rootMargin: "400px" });
end.observe($("#more"));

$("#save-all").onclick = async () => {
  const button = $("#save-all");
  const all = saveable();
  button.disabled = true;
  try {
    await saveAll(all, (n) => { button.textContent = `Downloading ${n + 1} of ${all.length}`; });
    news("Downloaded");
  } catch (e) {
    if (e.name !== "AbortError") $("#list-why").textContent = e instanceof Problem ? `${e.message} ${e.next}` : sentence(e.message);
  } finally {
    button.disabled = false;
    overview();
  }
};

// Results are loaded when their cards come into sight.
const sight = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    sight.unobserve(target);
    target.card.load();
  }
}, { rootMargin: "300px" });

// ---- A picture, large ----

function enlarge(card, side) {
  const dialog = $("#large");
  const img = $("img", dialog);
  img.src = card.$(`${side} img`).src;
  img.alt = card.$(`${side} img`).alt;
  $("h2", dialog).textContent = card.name;
  $("#large-caption").textContent = card.$(`${side} figcaption span`).textContent;
  dialog.showModal();
}
$("#large").onclick = (e) => { if (e.target === e.currentTarget) e.currentTarget.close(); }; // beside the picture
$("#large").onclose = () => { $("#large img").removeAttribute("src"); };
$("#large-close").onclick = () => $("#large").close();
