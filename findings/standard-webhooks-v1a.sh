#!/usr/bin/env bash
# standardwebhooks 1.1.1 (npm): the reference library of Standard Webhooks has no word for the
# asymmetric signatures of its own specification.
#
# The specification (standardwebhooks.com, "Signature scheme") defines two schemes: v1, HMAC-SHA256 by
# a secret, and v1a, Ed25519 by a key whose public half begins with whpk_. The library skips what
# begins with v1a, as it should skip an unknown version. But a webhook that is signed by v1a alone then
# fails with the sentence for a wrong signature, and a public key is taken for a secret in base64, with
# no word that it is none. A receiver reads "No matching signature found" and looks for a wrong secret.
#
# The script signs one event by v1a with node's own Ed25519, verifies it with node, and has the library
# verify it with the public key, once as the specification writes it and once without its prefix. Seen
# with 1.1.1:
#
#   node verifies: true
#   library, whpk_ key: Base64Coder: incorrect characters for decoding
#   library, bare key: No matching signature found
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
echo '{"private": true}' >package.json
npm install --silent --no-audit --no-fund standardwebhooks@1.1.1

cat >main.cjs <<'JS'
const crypto = require("node:crypto");
const { Webhook } = require("standardwebhooks");
const { publicKey, privateKey } = crypto.generateKeyPairSync("ed25519");
const raw = publicKey.export({ format: "der", type: "spki" }).subarray(-32).toString("base64");
const id = "msg_1", time = Math.floor(Date.now() / 1000).toString(), body = '{"type":"job.completed"}';
const signed = Buffer.from(`${id}.${time}.${body}`);
const signature = crypto.sign(null, signed, privateKey);
console.log("node verifies:", crypto.verify(null, signed, publicKey, signature));
const headers = { "webhook-id": id, "webhook-timestamp": time, "webhook-signature": "v1a," + signature.toString("base64") };
for (const [name, key] of [["whpk_ key", "whpk_" + raw], ["bare key", raw]]) {
  try {
    new Webhook(key).verify(body, headers);
    console.log(`library, ${name}: verified`);
  } catch (e) {
    console.log(`library, ${name}: ${e.message}`);
  }
}
JS
node main.cjs | tee seen
diff - seen <<'SEEN' || { echo "the library behaves in another way now"; exit 1; }
node verifies: true
library, whpk_ key: Base64Coder: incorrect characters for decoding
library, bare key: No matching signature found
SEEN
