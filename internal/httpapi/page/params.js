// The params of what is chosen next: fields made from the processor's own description, a
// JSON Schema, and the same as JSON. Each follows the other.

const schema = config.schema;
const dependent = Object.entries(schema.dependentSchemas ?? {});

/** The values that a schema lists, each with a name; null where it lists none. */
function choices({ enum: list, oneOf, type }) {
  if (list) return list.map((value) => ({ value, title: String(value) }));
  if (oneOf?.every((o) => "const" in o)) return oneOf.map((o) => ({ value: o.const, title: o.title ?? String(o.const) }));
  if (type === "boolean") return [{ value: true, title: "Yes" }, { value: false, title: "No" }];
  return null;
}

/** A field for one property; null for one that only JSON can say. */
class Field {
  static of(name, about) {
    const listed = choices(about);
    if (!listed && !["integer", "number", "string"].includes(about.type)) return null;
    return new Field(name, about, listed);
  }

  constructor(name, about, listed) {
    Object.assign(this, { name, about, listed });
    this.input = document.createElement(listed ? "select" : "input");
    this.input.id = `param-${name}`;
    if (listed) {
      this.input.append(new Option("", "", true, true), ...listed.map(({ title }, i) => new Option(title, i)));
      this.input.options[0].label = about.default === undefined ? "Automatic" : `Automatic (${about.default})`;
    } else {
      this.input.autocomplete = "off";
      this.input.placeholder = about.default ?? "";
      if (about.type === "string") this.#text();
      else this.#number();
    }
    this.node = document.createElement("div");
    const label = document.createElement("label");
    label.htmlFor = this.input.id;
    label.textContent = about.title ?? name;
    this.node.append(label, this.input);
    if (about.description) {
      const note = document.createElement("p");
      note.id = `${this.input.id}-note`;
      note.className = "quiet";
      note.textContent = about.description;
      this.input.setAttribute("aria-describedby", note.id);
      this.node.append(note);
    }
  }

  #text() {
    const { minLength, maxLength, pattern } = this.about;
    if (minLength) this.input.minLength = minLength;
    if (maxLength) this.input.maxLength = maxLength;
    if (pattern?.startsWith("^") && pattern.endsWith("$")) this.input.pattern = pattern.slice(1, -1);
  }

  #number() {
    const { type, minimum, maximum, multipleOf } = this.about;
    Object.assign(this.input, { type: "number", min: minimum ?? "", max: maximum ?? "", inputMode: type === "integer" ? "numeric" : "decimal" });
    this.input.step = multipleOf ?? (type === "integer" ? 1 : "any");
  }

  /** The value that the field says, or undefined. */
  get value() {
    const text = this.input.value;
    if (text === "") return undefined;
    if (this.listed) return this.listed[text].value;
    return this.about.type === "string" ? text : Number(text);
  }

  set value(value) {
    if (this.listed) {
      const i = this.listed.findIndex((o) => o.value === value);
      this.input.value = i < 0 ? "" : i;
    } else {
      this.input.value = value ?? "";
    }
  }
}

const fields = Object.entries(schema.properties ?? {}).map(([name, about]) => Field.of(name, about)).filter(Boolean);

/** Whether the others leave room for a property, by the schema's dependentSchemas. */
function allowed(name, all) {
  return dependent.every(([of, { required = [], properties = {} }]) => {
    if (of === name) {
      return required.every((r) => r in all) && Object.entries(properties).every(([p, about]) => !(p in all) || (about !== false && (about.enum?.includes(all[p]) ?? true)));
    }
    return !(of in all) || properties[name] !== false;
  });
}

/** What the JSON says; throws a sentence where it says nothing. */
function parsed() {
  let value;
  try {
    value = JSON.parse($("#params").value.trim() || "{}");
  } catch (e) {
    throw new Error(`It is not JSON: ${e.message}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error('It is not a JSON object; write something like {"name": 1}.');
  return value;
}

function written(all) {
  return Object.keys(all).length ? JSON.stringify(all, null, 1).replace(/\n\s*/g, " ") : "";
}

/** After a field has changed. */
function fieldsToJSON() {
  let all = {};
  try { all = parsed(); } catch { /* the fields replace what is not JSON */ }
  for (const { name, value } of fields) {
    if (value === undefined) delete all[name];
    else all[name] = value;
  }
  for (const { name } of fields) if (!allowed(name, all)) delete all[name];
  $("#params").value = written(all);
  heed(all);
}

/** After the JSON has changed. */
function jsonToFields() {
  let all;
  try { all = parsed(); } catch (e) { return wrong(e.message); }
  for (const field of fields) field.value = all[field.name];
  heed(all);
}

/** Lets only those fields be filled in for which there is room. */
function heed(all) {
  for (const field of fields) {
    field.input.disabled = !(field.name in all) && !allowed(field.name, all);
    if (field.input.disabled) field.value = undefined;
  }
  wrong("");
}

function wrong(why) {
  $("#params").setAttribute("aria-invalid", String(why !== ""));
  $("#params-why").textContent = why;
}

/** The params for what is chosen next as text, or null where they are wrong; then the user sees why. */
function params() {
  try {
    const all = parsed();
    const bad = fields.find((f) => !f.input.disabled && !f.input.checkValidity());
    if (bad) {
      bad.input.reportValidity();
      return null;
    }
    wrong("");
    return written(all);
  } catch (e) {
    wrong(e.message);
    $("#raw").open = true;
    $("#params").focus();
    return null;
  }
}

$("#fields").append(...fields.map((f) => f.node));
$("#fields-note").textContent = schema.description ?? "";
$("#fields").hidden = fields.length === 0;
$("#fields").oninput = fieldsToJSON;
$("#params").oninput = jsonToFields;
$("#raw").open = fields.length === 0;
heed({});
