// Shows the description of the API by the element openapi-explorer, in the browser's own
// colours. What sends requests is left out: it would ask for a token.
const dark = matchMedia("(prefers-color-scheme: dark)");
const element = document.createElement("openapi-explorer");
const colours = () => ({
  "bg-color": dark.matches ? "#15181b" : "#ffffff",
  "header-bg-color": dark.matches ? "#15181b" : "#ffffff",
  "text-color": dark.matches ? "#e4e6e8" : "#20262b",
  "primary-color": dark.matches ? "#6cc7ae" : "#1a6552",
  "secondary-color": dark.matches ? "#83b6ef" : "#1f5a9c",
  "nav-bg-color": dark.matches ? "#1e2226" : "#f6f5f1",
  "nav-text-color": dark.matches ? "#e4e6e8" : "#20262b",
  "nav-hover-text-color": dark.matches ? "#6cc7ae" : "#1a6552",
});
const paint = () => {
  for (const [name, value] of Object.entries(colours())) element.setAttribute(name, value);
};
for (const [name, value] of Object.entries({
  "spec-url": new URL("openapi.yaml", location.href).href, "schema-style": "table", "default-schema-tab": "model", "hide-authentication": "true", "hide-console": "true",
  "hide-server-selection": "true", "hide-components": "true",
})) element.setAttribute(name, value);
paint();
dark.addEventListener("change", paint);
document.body.append(element);
