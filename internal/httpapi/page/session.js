// Who you are: a token lives as long as its tab. It comes from the provider, by the
// authorization code flow with PKCE (RFC 6749, RFC 7636), or is pasted.

const config = JSON.parse($("#config").textContent);
const authHeader = config.auth_header;
const { issuers, audiences, audience_claim: audienceClaim, client_id: clientID, scopes } = config.login;
/** Whether this service has a call; there are older ones, and settings. */
const can = (call) => config.calls.includes(call);
const needsToken = Boolean(issuers?.length);
const canLogIn = Boolean(clientID && globalThis.crypto?.subtle); // which only secure origins have
const token = () => ofTab.get("claimcheck token") ?? "";
let signingIn = null;

const hostOf = (issuer) => {
  try { return new URL(issuer).host; } catch { return issuer; }
};

/** Waits for a token. What there was is of no use any more. */
function signIn(why = "") {
  $("#token-why").textContent = why && sentence(why);
  signingIn ??= new Promise((resolve) => {
    ofTab.remove("claimcheck token");
    show(false);
    (canLogIn ? $("#login") : $("#token")).focus();
    $("#token-form").onsubmit = (e) => {
      e.preventDefault();
      const given = $("#token").value.trim().replace(/^Bearer\s+/i, "");
      $("#token").value = "";
      if (!/^[\x21-\x7e]+$/.test(given)) {
        $("#token-why").textContent = "That is not a token: it is empty or contains characters that no token can have. Copy the whole token again.";
        return;
      }
      ofTab.set("claimcheck token", given);
      ofTab.remove("claimcheck refresh");
      signingIn = null;
      show(true);
      $("#files").focus();
      resolve();
    };
  });
  return signingIn;
}

/** Shows either what there is to do, or how to sign in. */
function show(signedIn) {
  $("#sign-in").hidden = signedIn;
  $("#work").hidden = !signedIn;
  $("#sign-out").hidden = !signedIn || !needsToken;
}

$("#sign-in-what").textContent = needsToken
  ? `This service is for users of ${new Intl.ListFormat("en", { type: "disjunction" }).format(issuers.map(hostOf))}. Sign in before you upload anything.` : "";
$("#login").hidden = !canLogIn;
if (canLogIn) $("#login").textContent = `Sign in with ${hostOf(issuers[0])}`;
$("#paste").open = !canLogIn;
$("#login").onclick = async () => {
  $("#token-why").textContent = "";
  $("#login").disabled = true;
  try {
    await leaveForProvider();
  } catch (e) {
    $("#token-why").textContent = e.message;
    $("#login").disabled = false;
  }
};
$("#sign-out").onclick = () => {
  ofTab.remove("claimcheck token");
  ofTab.remove("claimcheck refresh");
  location.reload(); // whatever the token has shown is gone with it
};

// ---- The provider ----

/** One request to the provider. */
function ask(question) {
  const worker = new Worker(at("page/login.js"));
  return new Promise((resolve) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = () => resolve({ status: 0, json: null });
    worker.postMessage(question);
  }).finally(() => worker.terminate());
}

/** The provider's own description (OpenID Connect Discovery 1.0). */
async function provider() {
  const { json } = await ask({ url: `${issuers[0].replace(/\/$/, "")}/.well-known/openid-configuration` });
  if (json?.issuer !== issuers[0]) throw new Error(`${hostOf(issuers[0])} does not answer. Try again, or paste a token.`);
  return json;
}

const base64url = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));

async function leaveForProvider() {
  const { authorization_endpoint: endpoint } = await provider();
  const [state, verifier] = [random(), random()];
  ofTab.set("claimcheck login", JSON.stringify({ state, verifier }));
  const url = new URL(endpoint);
  for (const [name, value] of Object.entries({
    response_type: "code", client_id: clientID, redirect_uri: base.href, scope: scopes, state,
    code_challenge: base64url(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(verifier))), code_challenge_method: "S256",
  })) url.searchParams.set(name, value);
  location.assign(url);
}

/** Takes what the provider has sent the browser back with; returns what is wrong with it. */
async function comeBack() {
  const query = new URLSearchParams(location.search);
  if (!canLogIn || !query.has("state")) return "";
  history.replaceState(null, "", base.href);
  const { state, verifier } = JSON.parse(ofTab.get("claimcheck login") ?? "{}");
  ofTab.remove("claimcheck login");
  const host = hostOf(issuers[0]);
  if (query.get("state") !== state || (query.has("iss") && query.get("iss") !== issuers[0])) return "this sign-in was not begun in this tab; sign in again";
  if (!query.has("code")) return `${host} did not sign you in: ${query.get("error_description") ?? query.get("error")}`;
  return redeem({ grant_type: "authorization_code", code: query.get("code"), redirect_uri: base.href, client_id: clientID, code_verifier: verifier });
}

/** Exchanges a code or a refresh token for a token; returns what is wrong. */
async function redeem(form) {
  try {
    const { token_endpoint: url } = await provider();
    const { status, json } = await ask({ url, form });
    if (status !== 200) return `${hostOf(url)} did not issue a token${json?.error ? `: ${json.error_description ?? json.error}` : ""}`;
    const ours = [json.access_token, json.id_token].find((t) => [claims(t)[audienceClaim]].flat().some((aud) => audiences.includes(aud)));
    if (!ours) return `${hostOf(url)} issued no token for this service: none has ${audiences.join(" or ")} in its claim ${audienceClaim}`;
    ofTab.set("claimcheck token", ours);
    if (json.refresh_token) ofTab.set("claimcheck refresh", json.refresh_token);
    return "";
  } catch (e) {
    return e.message;
  }
}

/** What a JWT says; the service, not the page, checks that it is true. */
function claims(jwt) {
  try {
    return JSON.parse(atob(jwt.split(".")[1].replaceAll("-", "+").replaceAll("_", "/")));
  } catch {
    return {};
  }
}

let refreshing = null;

/** Gets another token for the one that is refused, without asking anyone; resolves to whether it could. */
function refresh() {
  const refreshToken = ofTab.get("claimcheck refresh");
  if (!canLogIn || !refreshToken) return false;
  refreshing ??= (async () => {
    const why = await redeem({ grant_type: "refresh_token", refresh_token: refreshToken, client_id: clientID });
    if (why) ofTab.remove("claimcheck refresh");
    refreshing = null;
    return !why;
  })();
  return refreshing;
}

/** Resolves once there is a token, or none is needed. */
async function begin() {
  const why = await comeBack();
  if (needsToken && !token()) await signIn(why);
  else show(true);
}
