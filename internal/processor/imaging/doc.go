// Package imaging is what every engine for images has in common: the operations and
// formats that a job's params can ask for, what they cost, what is refused, and in which
// sentence. It decodes no pixel. An [Engine] does that: package embedded in pure Go, and
// others in processes of their own.
package imaging
