// Package imageinfo identifies images by their bytes alone: the format, the number of
// pixels and frames, the orientation.
//
// It ignores labels and names, decodes no pixel, and is made for bytes from strangers:
// [Scanner] inspects an upload while it streams through, in memory that does not grow with
// the file (less than 80 KiB) and time linear in its length. It stops the upload as soon as
// it is certain that the file has too many pixels or is not what it seems. [ReadInfo] does
// the same for a file with random access.
//
// Each format is a small state machine that asks for the next bytes it needs and their
// offset; one driver feeds it from a stream, another from an io.ReaderAt. There is no
// recursion. Checksums and compressed data are not checked: a file that passes is
// well-formed in its structure, and no more.
package imageinfo
