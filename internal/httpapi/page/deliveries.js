// What became of the webhook of a job, try by try, and a button that sends its event again.

const deliveryStates = {
  waiting: "The webhook waits for the end of the job", pending: "The webhook is not delivered yet", delivered: "The webhook is delivered",
  refused: "The receiver refused the webhook", failed: "The webhook failed, and the service tries it no more",
};
const moment = (time) => new Date(time).toLocaleString("en", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

/** Shows the deliveries, and follows those that are about to come. With POST it sends the event again. */
Card.prototype.deliveries = async function deliveries(method = "GET") {
  const panel = this.$(".deliveries");
  const opened = panel.hidden;
  const turn = (this.turn = {}); // a later call takes over
  const mine = () => turn === this.turn && !panel.hidden;
  panel.hidden = false;
  this.$(".menu").open = false;
  try {
    for (let next = method; ; next = "GET") {
      const answer = await request(next, `jobs/${this.id}/deliveries`, { signal: this.gone.signal });
      if (!mine()) return;
      if (!answer.ok) throw problemOf(answer);
      const log = answer.json;
      this.delivered(log);
      if (opened && next === method) this.$(log.state === "waiting" ? ".dismiss" : ".replay").focus();
      if (log.state !== "pending" || Date.parse(log.next_try_at ?? 0) > Date.now() + 60_000) return;
      await sleep(1);
      await seen();
      if (!mine()) return;
    }
  } catch (e) {
    if (this.gone.signal.aborted || !mine()) return;
    if (!(e instanceof Problem)) throw e;
    this.$(".outcome").textContent = e.message;
    this.$(".later").textContent = e.next;
    news(`${this.name}: ${e.message}`);
    if (!opened) return;
    this.$(".tries").replaceChildren();
    this.$(".replay").hidden = true; // there is no webhook
    this.$(".dismiss").focus();
  }
};

Card.prototype.delivered = function delivered(log) {
  const words = `${deliveryStates[log.state] ?? log.state}.`;
  if (this.$(".outcome").textContent !== words) news(`${this.name}: ${words}`);
  this.$(".outcome").textContent = words;
  this.$(".later").textContent = log.next_try_at ? `Next try: ${moment(log.next_try_at)}` : "";
  this.$(".replay").hidden = log.state === "waiting";
  this.$(".tries").replaceChildren(...log.tries.toReversed().map((t) => {
    const line = document.createElement("li");
    line.textContent = [moment(t.at), t.status || "no answer", `${t.duration_seconds.toFixed(3)} s`, t.reason].filter(Boolean).join(" · ");
    return line;
  }));
};

Card.prototype.dismiss = function dismiss() {
  this.$(".deliveries").hidden = true;
  this.$(".menu summary").focus();
};
