// Package proof asks a store that calls itself S3-compatible for every promise that
// documents rest on, and keeps the finding in the bucket.
//
// Several stores answer 200 to a conditional write and ignore the condition. Leases,
// idempotency and the exactly-once bill are then gone without an error, so a store under
// a custom endpoint holds documents only after it has been proved. AWS itself needs no
// proof and costs no request more.
//
// Keys written: the finding under [Key]; while the proof runs, objects below [Probes],
// which it deletes. Rights needed (IAM actions): to read the finding s3:GetObject; to
// prove s3:PutObject, s3:GetObject, s3:DeleteObject, s3:AbortMultipartUpload and
// s3:ListBucket; for a queue sqs:CreateQueue, sqs:DeleteQueue, sqs:SendMessage,
// sqs:ReceiveMessage, sqs:ChangeMessageVisibility and sqs:DeleteMessage on queues whose
// name begins with claimcheck-proof-.
package proof
