// What the caller has used, by day: a chart, and the same as a table.

const measures = {
  jobs: { title: "Jobs", of: (d) => d.jobs, words: (n) => n.toLocaleString("en") },
  megapixels: { title: "Megapixels", of: (d) => d.pixels / 1e6, words: (n) => n.toLocaleString("en", { maximumFractionDigits: 1 }) },
  cost: { title: "Estimated cost", of: (d) => d.jobs > 0 && d.uncounted === d.jobs ? undefined : d.estimated_cost?.usd, words: money },
};
const uncounted = "not counted"; // a worker that does not count had the job
const dayCount = 30;

/** An amount as a person reads it; small ones keep two digits that count. */
function money(usd) {
  return usd.toLocaleString("en", { style: "currency", currency: "USD", ...(usd >= 1 ? {} : { maximumSignificantDigits: 2 }) });
}

/** What a job that is over costs: nothing is known of it after a worker that does not count. */
const cost = ({ requests, estimated_cost: estimate }) => requests === null ? `cost ${uncounted}` : estimate && money(estimate.usd);

/** The figure of a day in words. */
function figure(measure, day) {
  const n = measure.of(day);
  if (n === undefined) return day.uncounted ? uncounted : "–";
  return measure.words(n) + (measure === measures.cost && day.uncounted ? ` (${day.uncounted} of ${day.jobs} jobs ${uncounted})` : "");
}

/** How long ago that was. */
function ago(time) {
  const seconds = Math.max(0, (Date.now() - time) / 1000);
  for (const [unit, length] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (seconds >= length) return new Intl.RelativeTimeFormat("en", { numeric: "always" }).format(-Math.floor(seconds / length), unit);
  }
  return "just now";
}

const svg = (name, attributes) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [k, v] of Object.entries(attributes)) node.setAttribute(k, v);
  return node;
};

let days = []; // of the last answer, one a day, the first first

async function loadUsage() {
  $("#usage-why").textContent = "";
  const to = new Date();
  const from = new Date(to - (dayCount - 1) * 86400_000);
  const iso = (d) => d.toISOString().slice(0, 10);
  try {
    const answer = await request("GET", `usage?from=${iso(from)}&to=${iso(to)}`);
    if (!answer.ok) throw problemOf(answer);
    const used = new Map(answer.json.days.map((d) => [d.day, d]));
    const known = answer.json.days.some((d) => d.estimated_cost);
    days = Array.from({ length: dayCount }, (_, i) => {
      const day = iso(new Date(from.getTime() + i * 86400_000));
      return used.get(day) ?? { day, jobs: 0, pixels: 0, uncounted: 0, ...(known && { estimated_cost: { usd: 0 } }) };
    });
    $("#measure option[value=cost]").hidden = $("#measure option[value=cost]").disabled = !known;
    draw();
  } catch (e) {
    if (!(e instanceof Problem)) throw e;
    $("#usage-why").textContent = `${e.message} ${e.next}`;
  }
}

function draw() {
  const measure = measures[$("#measure").value];
  const { title, of, words } = measure;
  const values = days.map((d) => of(d) ?? 0);
  const most = Math.max(...values);
  const without = measure === measures.cost ? days.reduce((n, d) => n + d.uncounted, 0) : 0;
  const known = !without || days.some((d) => d.jobs > d.uncounted);
  const total = (known ? words(values.reduce((a, b) => a + b, 0)) : uncounted)
    + (known && without ? `, without ${without} ${without === 1 ? "job" : "jobs"} whose cost is ${uncounted}` : "");
  const [width, height, left, bottom] = [600, 180, 8, 22];
  const step = (width - 2 * left) / days.length;
  const chart = $("#chart");
  const nodes = [svg("line", { x1: left, x2: width - left, y1: height - bottom, y2: height - bottom, class: "axis" })];
  days.forEach((d, i) => {
    const { day } = d;
    const high = most > 0 ? (height - bottom - 24) * values[i] / most : 0;
    const bar = svg("rect", { x: left + i * step + 1, width: step - 2, y: height - bottom - high, height: high, rx: 2, class: "bar" });
    const tip = svg("title", {});
    tip.textContent = `${day}: ${figure(measure, d)}`;
    bar.append(tip);
    nodes.push(bar);
    if (i % 7 === days.length % 7 || i === days.length - 1) {
      const label = svg("text", { x: left + (i + 0.5) * step, y: height - 6, "text-anchor": i === days.length - 1 ? "end" : "middle" });
      label.textContent = new Date(`${day}T00:00Z`).toLocaleDateString("en", { day: "numeric", month: "short", timeZone: "UTC" });
      nodes.push(label);
    }
  });
  const top = svg("text", { x: left, y: 17 });
  top.textContent = most > 0 ? `at most ${words(most)} a day` : known ? "nothing in these days" : uncounted;
  nodes.push(top);
  chart.replaceChildren(...nodes);
  chart.setAttribute("aria-label", `${title} by day, ${days[0].day} to ${days.at(-1).day}: ${total} in all. The table has the figures.`);
  $("#usage-total").textContent = `${title} in ${dayCount} days: ${total}`;

  const body = $("#usage-table tbody");
  const shown = days.filter((d) => d.jobs > 0).reverse();
  body.replaceChildren(...shown.map((d) => {
    const row = document.createElement("tr");
    const head = document.createElement("th");
    head.scope = "row";
    head.textContent = d.day;
    row.append(head, ...Object.values(measures).map((m) => {
      const cell = document.createElement("td");
      cell.textContent = figure(m, d);
      return cell;
    }));
    return row;
  }));
}

$("#measure").onchange = draw;
$("#usage").ontoggle = () => { if ($("#usage").open) loadUsage(); };
