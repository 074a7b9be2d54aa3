// Package proof checks that an S3-compatible store keeps every promise that documents
// depend on, and stores the finding in the bucket.
//
// Several stores answer 200 to a conditional write and ignore the condition. Leases,
// idempotency and the exactly-once bill then fail without an error, so a store under a
// custom endpoint may hold documents only after a proof. AWS needs no proof and gets no
// extra request.
//
// Keys written: the finding under [Key]; while the proof runs, objects below [Probes],
// which it deletes. Rights needed (IAM actions): to read the finding s3:GetObject; to
// prove s3:PutObject, s3:GetObject, s3:DeleteObject, s3:AbortMultipartUpload and
// s3:ListBucket; for a queue sqs:CreateQueue, sqs:DeleteQueue, sqs:SendMessage,
// sqs:ReceiveMessage, sqs:ChangeMessageVisibility and sqs:DeleteMessage on queues whose
// name begins with claimcheck-proof-.
package proof
