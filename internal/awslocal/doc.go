// Package awslocal is S3 and SQS on loopback, in this process: for running Claimcheck
// on one machine and for tests. Nothing that runs in production links it.
//
// Both endpoints speak the real wire protocols and refuse requests that are not signed
// right, so the same SDKs and the same adapters work against them as against AWS. S3 is
// versitygw over a plain directory; SQS is package sqsserver over a bbolt file.
//
// Writes that were answered are on disk: neither a killed process nor a power cut loses
// them, unless [Options].NoSync is set, which leaves the power cut.
//
// What differs from Amazon's S3:
//   - A key cannot be the folder of another: with an object "a" there is no "a/b" (409).
//   - A PUT may be answered by a needless 409 ExistingObjectIsDirectory when the last
//     other object of the same folder is deleted at that moment. Retry it.
//   - Bucket notifications and lifecycle rules are answered by 501 NotImplemented.
//   - A GET during overwrites may show an ETag older than its body, never a newer one,
//     so that compare-and-swap stays exact.
package awslocal
