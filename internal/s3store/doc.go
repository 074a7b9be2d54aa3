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
//	deliveries/{id}                            the tries of a job's webhook, application/json
//
// The id is the job_id or, for a job under an idempotency key, the uid in its document. For an
// output it is the document's output_id, if there is one.
//
// Rights needed (IAM actions): s3:PutObject, s3:GetObject, s3:DeleteObject and
// s3:AbortMultipartUpload on the objects, and s3:ListBucket on the bucket. [Store.Ready],
// [Store.SumUsage] and [Store.List] need it, and without it S3 answers 403 instead of 404 for
// a missing object.
//
// Documents change by compare-and-swap on their entity tag. The SDK repeats a write whose
// answer is lost, and the repetition of a write that took effect conflicts with itself.
// Therefore each write carries a token (the revision of a document, the metadata
// x-amz-meta-upload of an object), and a write that gets a conflict compares the stored token
// before it reports the conflict.
//
// Uploads stream through the buffers of one [Memory], which all stores of a process share. An
// upload of any size holds one large buffer, and a second one while the memory allows it. The
// caller bounds the number of concurrent uploads. The store aborts unfinished multipart
// uploads; the bucket's AbortIncompleteMultipartUpload lifecycle rule removes those of a
// process that died.
package s3store
