// Package awslocal runs S3 and SQS servers on loopback, in this process: for Claimcheck on
// one machine and for tests. No production program links it.
//
// Both endpoints speak the real wire protocols and refuse requests without a valid
// signature, so the same SDKs and the same adapters work against them as against AWS. S3 is
// versitygw over a plain directory; SQS is package sqsserver over a bbolt file.
//
// An answered write is on disk: neither a killed process nor a power cut loses it. With
// [Options].NoSync a power cut can.
//
// While the servers run, the working directory of the process is the S3 data folder. The
// only constructor of versitygw's posix backend calls os.Chdir, and its methods open each
// bucket by a path relative to that directory, so an absolute root does not help. A child
// process would avoid it, at the price of a second program that every test has to build
// and stop. [Start] therefore takes the directory, and Close returns it.
//
// Differences from Amazon's S3:
//
//   - A key cannot be the folder of another: beside an object "a" there is no "a/b" (409).
//   - A PUT may get a needless 409 ExistingObjectIsDirectory when the last other object
//     of the same folder is deleted at that moment. Retry it.
//   - Bucket notifications and lifecycle rules get 501 NotImplemented.
//   - A GET during overwrites may show an ETag older than its body, never a newer one, so
//     compare-and-swap stays exact.
package awslocal
