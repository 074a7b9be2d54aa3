#!/usr/bin/env bash
# golang.org/x/image v0.47.0: a bilevel TIFF file with FillOrder 2 decodes with the pixels of each byte
# in reverse, without an error.
#
# TIFF 6.0, Section 8, has the tag FillOrder: with 1, its default, the leftmost pixel is in the high bit of
# a byte, with 2 in the low bit. Scanners and fax software write 2. x/image/tiff reads the tag for fax
# compression only. For other compressions it takes the high bit first in any case, and does not refuse
# the file. LibTIFF 4.5.0 (by ImageMagick 6.9.11) shows the leftmost pixel of both files below black.
#
# The script makes one row of eight pixels, the leftmost black, without compression: with FillOrder 1 and,
# its bits in reverse, with FillOrder 2. Seen with v0.47.0, a black pixel as 1:
#
#   FillOrder 1: 10000000
#   FillOrder 2: 00000001
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOFLAGS=-mod=mod GOWORK=off
go mod init finding.example 2>/dev/null
go get golang.org/x/image@v0.47.0 2>/dev/null

cat >main.go <<'GO'
package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image/color"
	"log"

	"golang.org/x/image/tiff"
)

// file is a TIFF file of eight bilevel pixels in one byte, WhiteIsZero, without compression.
func file(fillOrder, pixels byte) []byte {
	le := binary.LittleEndian
	tags := [][2]uint32{
		{256, 8},                 // ImageWidth
		{257, 1},                 // ImageLength
		{258, 1},                 // BitsPerSample
		{259, 1},                 // Compression: none
		{262, 0},                 // PhotometricInterpretation: WhiteIsZero
		{266, uint32(fillOrder)}, // FillOrder
		{273, 8},                 // StripOffsets
		{277, 1},                 // SamplesPerPixel
		{278, 1},                 // RowsPerStrip
		{279, 1},                 // StripByteCounts
	}
	b := []byte{'I', 'I', 42, 0, 10, 0, 0, 0, pixels, 0}
	b = le.AppendUint16(b, uint16(len(tags)))
	for _, t := range tags {
		b = le.AppendUint16(b, uint16(t[0]))
		b = le.AppendUint16(b, 4) // LONG
		b = le.AppendUint32(b, 1)
		b = le.AppendUint32(b, t[1])
	}
	return le.AppendUint32(b, 0)
}

func main() {
	for order, pixels := range map[byte]byte{1: 0x80, 2: 0x01} {
		raw := file(order, pixels)
		m, err := tiff.Decode(bytes.NewReader(raw))
		if err != nil {
			log.Fatal(err)
		}
		row := ""
		for x := range 8 {
			if color.GrayModel.Convert(m.At(x, 0)).(color.Gray).Y == 0 {
				row += "1"
			} else {
				row += "0"
			}
		}
		fmt.Printf("FillOrder %d: %s\n", order, row)
	}
}
GO
got=$(go run . | sort)
want='FillOrder 1: 10000000
FillOrder 2: 00000001'
if [ "$got" != "$want" ]; then
  printf 'golang.org/x/image no longer reads FillOrder as it did. It prints:\n%s\n' "$got" >&2
  exit 1
fi
echo "$got"
