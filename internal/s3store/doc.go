// Package s3store is job.Store on S3.
//
// Keys written, all in one bucket:
//
//	jobs/{job_id}                              the job document, application/json
//	input/{id}                                 the image as it came
//	output/{id}                                the result
//	usage/{owner}/{yyyy-mm-dd}/{id}            a usage record, application/json
//	usage/{owner}/sums/{yyyy-mm}               the sums of a month's days, application/json
//	lists/{owner}/{time}-{job_id}              a job's place in its owner's list, empty
//	deliveries/{id}                            what became of a job's webhook, application/json
//
// The id is the job_id or, of a job under an idempotency key, its document's uid; that of an
// output is the document's output_id, if it has one.
//
// Rights needed (IAM actions): s3:PutObject, s3:GetObject, s3:DeleteObject and
// s3:AbortMultipartUpload on the objects, and s3:ListBucket on the bucket: for
// [Store.Ready], [Store.SumUsage] and [Store.List], and because S3 answers 403 instead of 404 for what
// does not exist when the asker may not list.
//
// Documents change by compare-and-swap on their entity tag. The SDK repeats a write whose
// answer was lost, and the repetition of a write that took effect loses against itself;
// so each write carries a token (a document its revision, an object the metadata
// x-amz-meta-upload), and a loser reads the stored token before it accepts the conflict.
//
// Uploads are streamed through buffers of one [Memory] that all stores of a process
// share: an upload holds one large buffer, whatever its size, and a second one while
// there is room. How many uploads there are at once is bounded before they begin.
// Unfinished multipart uploads are aborted; those of a process that died are left to the
// bucket's AbortIncompleteMultipartUpload lifecycle rule.
package s3store
