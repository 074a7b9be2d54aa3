// A worker that talks to the provider of identities, whose endpoints only its own
// description names: the page itself may talk to the service alone. It keeps nothing.
onmessage = async ({ data: { url, form } }) => {
  try {
    const options = form ? { method: "POST", body: new URLSearchParams(form) } : {};
    const answer = await fetch(url, { ...options, headers: { Accept: "application/json" }, credentials: "omit", redirect: "error", signal: AbortSignal.timeout(15_000) });
    postMessage({ status: answer.status, json: await answer.json().catch(() => null) });
  } catch {
    postMessage({ status: 0, json: null });
  }
};
