// Package imaging is the part of the image processor that all engines share: the
// operations and formats of a job's params, their cost, and the refusals with their
// sentences. It decodes no pixel. An [Engine] does: package embedded in pure Go, and
// others in processes of their own.
package imaging
