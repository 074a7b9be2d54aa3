#!/bin/sh
# Runs the command lines that `claimcheck provision --print` prints, in the AWS command
# line's own hands, and asks `claimcheck provision` whether nothing is left to do.
# Endpoints and keys come from the environment; $1 is the claimcheck command.
set -eu

command=$1
real=${AWS_CLI:-aws}
export AWS_PAGER='' S3_BUCKET="provision-$$" SQS_QUEUE_URL="provision-$$"
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# What --print prints calls claimcheck by its name. It ends with 3 for what the local S3 does
# not have.
claimcheck() { "$command" "$@" || [ $? = 3 ]; }

# Versions before 2.13 do not read the endpoints themselves. What the local S3 does not
# have (501) is reached only by a command line that is right.
aws() {
	case $1 in s3api) endpoint=$AWS_ENDPOINT_URL_S3 ;; *) endpoint=$AWS_ENDPOINT_URL_SQS ;; esac
	"$real" --endpoint-url "$endpoint" "$@" 2>"$dir/error" && return
	grep -q NotImplemented "$dir/error" && return
	cat "$dir/error" >&2
	return 1
}

claimcheck provision --print >"$dir/script"
test "$(grep -c '^aws s3api' "$dir/script")" = 4 || { cat "$dir/script"; exit 1; }
# shellcheck source=/dev/null
. "$dir/script" >/dev/null
claimcheck provision --dry-run >"$dir/plan"
grep -q '^nothing to change, 3 not supported here$' "$dir/plan" || { cat "$dir/plan"; exit 1; }
echo 'ok   aws: the commands of claimcheck provision --print'

# Queues that exist are changed by commands of their own.
url=$(aws sqs get-queue-url --queue-name "$SQS_QUEUE_URL" --query QueueUrl --output text)
aws sqs set-queue-attributes --queue-url "$url" --attributes '{"VisibilityTimeout":"1","RedrivePolicy":""}'
claimcheck provision --print >"$dir/script"
# shellcheck source=/dev/null
. "$dir/script" >/dev/null
claimcheck provision --dry-run >"$dir/plan"
grep -q '^nothing to change' "$dir/plan" || { cat "$dir/plan"; exit 1; }
echo 'ok   aws: the commands that change a queue'
