// Package imageinfo tells what a file is from its bytes alone: which image format, how
// many pixels in how many frames, which way up.
//
// It believes no label and no name, decodes no pixel, and is meant for bytes of
// strangers: [Scanner] watches an upload stream by, in memory that does not grow with
// the file (less than 80 KiB) and time linear in its length, and stops it as soon as
// it is certain that the file holds too many pixels or is not what it begins as.
// [ReadInfo] does the same for a file that can be read at any place.
//
// Each format is a small state machine that asks for the next few bytes it needs and
// where they are; one driver feeds it from a stream, another from an io.ReaderAt.
// There is no recursion. Checksums and compressed data are not looked at: a file that
// passes is well-formed as far as its structure goes, and no more.
package imageinfo
