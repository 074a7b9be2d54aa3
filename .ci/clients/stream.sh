#!/usr/bin/env bash
# usage: stream.sh URL
# Follows a job of the service at URL by `curl -N` until it is canceled: each event comes at
# once, and the stream ends by itself.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
stream=
trap 'kill $stream 2>/dev/null || true; rm -rf "$work"' EXIT
job=$(curl -fsS -m 30 -F image=@../../internal/imageinfo/testdata/rainier.jpg "$1/jobs" | jq -r .location)
curl -fsSN -m 120 -H "Accept: text/event-stream" "$job" >"$work/events" &
stream=$!
until grep -q '"status":"pending"' "$work/events"; do
  kill -0 $stream
  sleep 0.1
done
curl -fsS -m 30 -o /dev/null -X POST "$job/cancel"
wait $stream
stream=
test "$(grep -c '^event: status$' "$work/events")" = 2
tail -n 3 "$work/events" | grep -q '^data: .*"status":"canceled","message":"canceled by its owner"'
echo "curl -N: the stream of a canceled job ends after its last event"
