// Third part: choosing, dropping and pasting images.

/** The params for what is chosen next, or null where they are wrong. */
function params() {
  const text = $("#params").value.trim();
  let why = "";
  try {
    const value = JSON.parse(text || "{}");
    if (typeof value !== "object" || value === null || Array.isArray(value)) why = 'It is not a JSON object; write something like {"width": 800}.';
  } catch (e) {
    why = `It is not JSON: ${e.message}`;
  }
  $("#params").setAttribute("aria-invalid", String(why !== ""));
  $("#params-why").textContent = why;
  return why ? null : text;
}

function leave(files) {
  const how = params();
  if (how === null) {
    $("details").open = true;
    $("#params").focus();
    return;
  }
  const left = files.toReversed().map((file) => new Card(file.name || "pasted image", file, how)).reverse(); // the first is the newest: it stays on top
  $("#jobs").prepend(...left.map((card) => card.node));
  for (const card of left) card.run();
}

$("#params").onchange = params;
$("#files").onchange = (e) => {
  leave([...e.target.files]);
  e.target.value = ""; // so that the same file can be chosen again
};
addEventListener("paste", (e) => {
  if (e.clipboardData.files.length) leave([...e.clipboardData.files]);
});
addEventListener("dragover", (e) => {
  e.preventDefault();
  document.body.classList.add("dropping");
});
addEventListener("dragleave", (e) => {
  if (!e.relatedTarget) document.body.classList.remove("dropping");
});
addEventListener("drop", (e) => {
  e.preventDefault();
  document.body.classList.remove("dropping");
  const isFile = [...e.dataTransfer.items].filter((i) => i.kind === "file").map((i) => !i.webkitGetAsEntry()?.isDirectory);
  $("#drop-why").textContent = isFile.includes(false) ? "The page does not accept folders; drop the images in it." : "";
  leave([...e.dataTransfer.files].filter((_, i) => isFile[i]));
});

addEventListener("beforeunload", (e) => {
  if ([...cards].some((card) => ["waiting", "uploading"].includes(card.node.dataset.state))) e.preventDefault();
});

for (const { id, name, direct } of remembered()) {
  const card = new Card(name);
  card.direct = direct;
  $("#jobs").append(card.node);
  card.known(id);
  card.state("pending");
  card.run();
}
