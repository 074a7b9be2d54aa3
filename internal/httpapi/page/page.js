// Choosing, dropping and pasting images, and the beginning of it all.

/** Takes files; the first stays on top. */
function leave(files) {
  const how = params();
  if (how === null) return;
  const left = files.toReversed().map((file) => new Card(file.name || "pasted image", file, how)).reverse();
  $("#jobs").prepend(...left.map((card) => card.node));
  for (const card of left) card.run();
  overview();
}

const ready = () => !$("#work").hidden;

$("#files").onchange = (e) => {
  leave([...e.target.files]);
  e.target.value = ""; // so that the same file can be chosen again
};
addEventListener("paste", (e) => {
  if (ready() && e.clipboardData.files.length) leave([...e.clipboardData.files]);
});
addEventListener("dragover", (e) => {
  e.preventDefault();
  if (ready()) document.body.classList.add("dropping");
});
addEventListener("dragleave", (e) => {
  if (!e.relatedTarget) document.body.classList.remove("dropping");
});
addEventListener("drop", (e) => {
  e.preventDefault();
  document.body.classList.remove("dropping");
  if (!ready()) return;
  const isFile = [...e.dataTransfer.items].filter((i) => i.kind === "file").map((i) => !i.webkitGetAsEntry()?.isDirectory);
  $("#drop-why").textContent = isFile.includes(false) ? "The page does not accept folders; drop the images in it." : "";
  leave([...e.dataTransfer.files].filter((_, i) => isFile[i]));
});

addEventListener("beforeunload", (e) => {
  if ([...cards].some((card) => ["waiting", "uploading"].includes(card.node.dataset.state))) e.preventDefault();
});

// One menu is open at a time, and none after a click elsewhere or Escape.
const closeMenus = (but) => {
  for (const menu of document.querySelectorAll(".menu[open]")) if (menu !== but) menu.open = false;
};
addEventListener("click", (e) => closeMenus(e.target.closest(".menu")));
addEventListener("keydown", (e) => {
  const menu = e.key === "Escape" && e.target.closest?.(".menu[open]");
  if (!menu) return;
  menu.open = false;
  $("summary", menu).focus();
});

setInterval(() => { if (!document.hidden) for (const card of cards) card.facts(); }, 30_000);
// What other devices have sent in the meantime is there when the page is looked at again.
document.addEventListener("visibilitychange", () => {
  if (document.hidden || !listed || next || $("#filter").value) return;
  fromTheTop();
});

begin().then(() => {
  fromTheTop();
  followCrowd();
});
