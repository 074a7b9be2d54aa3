#!/bin/sh
# Checks an S3 and an SQS endpoint with the AWS command line, version 2.9 or newer.
# Endpoints, keys, bucket and queue come from the environment; exits 1 at the first
# thing that is wrong. Versions before 2.13 do not read the endpoints themselves.
set -eu

aws=${AWS_CLI:-aws}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
printf '[default]\ns3 =\n  addressing_style = path\n  signature_version = s3v4\n' >"$dir/config"
export AWS_CONFIG_FILE="$dir/config" AWS_PAGER=''

s3() { "$aws" --endpoint-url "$AWS_ENDPOINT_URL_S3" "$@"; }
sqs() { "$aws" --endpoint-url "$AWS_ENDPOINT_URL_SQS" sqs "$@"; }
fail() {
	echo "FAIL aws: $1" >&2
	exit 1
}
prefix=cli-$$-$(date +%s)

head -c 20000000 /dev/urandom >"$dir/in"
s3 s3 cp --quiet "$dir/in" "s3://$S3_BUCKET/$prefix/large" || fail 'upload in parts'
s3 s3 cp --quiet "s3://$S3_BUCKET/$prefix/large" "$dir/out" || fail 'download'
cmp -s "$dir/in" "$dir/out" || fail 'the download differs from the upload'
s3 s3 ls "s3://$S3_BUCKET/$prefix/" | grep -q '20000000 large$' || fail 'list'
url=$(s3 s3 presign --expires-in 60 "s3://$S3_BUCKET/$prefix/large") || fail 'presign'
curl -fsS -o "$dir/presigned" "$url" || fail 'get a presigned URL'
cmp -s "$dir/in" "$dir/presigned" || fail 'the presigned download differs'
s3 s3 rm --quiet "s3://$S3_BUCKET/$prefix/large" || fail 'remove'
echo 'ok   aws: s3 cp, ls, presign, rm'

sqs send-message --queue-url "$SQS_QUEUE_URL" --message-body "hello $prefix" >/dev/null || fail 'send'
sqs receive-message --queue-url "$SQS_QUEUE_URL" --wait-time-seconds 5 --visibility-timeout 60 \
	--attribute-names All --query 'Messages[0].[Body,Attributes.ApproximateReceiveCount,ReceiptHandle]' \
	--output text >"$dir/message" || fail 'receive'
body=$(cut -f1 "$dir/message")
count=$(cut -f2 "$dir/message")
handle=$(cut -f3 "$dir/message")
[ "$body" = "hello $prefix" ] || fail "received '$body'"
[ "$count" = 1 ] || fail "receive count is '$count'"
sqs delete-message --queue-url "$SQS_QUEUE_URL" --receipt-handle "$handle" || fail 'delete'
visible=$(sqs get-queue-attributes --queue-url "$SQS_QUEUE_URL" --attribute-names All \
	--query 'Attributes.[ApproximateNumberOfMessages,ApproximateNumberOfMessagesNotVisible]' --output text) || fail 'attributes'
[ "$visible" = "0	0" ] || fail "messages after the delete: $visible"
sqs get-queue-url --queue-name no-such-queue 2>"$dir/error" && fail 'found a queue that does not exist'
grep -q NonExistentQueue "$dir/error" || fail "no such queue: $(cat "$dir/error")"
echo 'ok   aws: sqs send, receive, delete, attributes, errors'
