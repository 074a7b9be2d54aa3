#!/usr/bin/env bash
# golang.org/x/image v0.47.0: a fax TIFF with BlackIsZero decodes as its negative, without an error.
#
# TIFF 6.0 says of PhotometricInterpretation 1 (BlackIsZero) on fax data: "the image should display
# and print reversed". So a white run is black: libvips 8.14.1 and ImageMagick 6.9.11, both by libtiff,
# read the file below as black and white. golang.org/x/image/tiff shows the white run white.
#
# The script makes two TIFF files of 16 × 4 pixels that mean the same, left half black and right half
# white: one uncompressed, one in Group 4 (ITU-T T.6). Seen with v0.47.0:
#
#   uncompressed: black white
#   group 4: white black
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
	"log"

	"golang.org/x/image/tiff"
)

// file is a TIFF file with one strip of 16 × 4 pixels of one bit, BlackIsZero.
func file(compression uint32, strip []byte) []byte {
	entries := [][2]uint32{ // tag and value; every value is a LONG
		{256, 16}, {257, 4}, {258, 1}, {259, compression}, {262, 1}, {273, 8},
		{277, 1}, {278, 4}, {279, uint32(len(strip))},
	}
	var b bytes.Buffer
	padded := append(strip[:len(strip):len(strip)], make([]byte, len(strip)%2)...)
	b.WriteString("II*\x00")
	binary.Write(&b, binary.LittleEndian, uint32(8+len(padded)))
	b.Write(padded)
	binary.Write(&b, binary.LittleEndian, uint16(len(entries)))
	for _, e := range entries {
		binary.Write(&b, binary.LittleEndian, []uint16{uint16(e[0]), 4})
		binary.Write(&b, binary.LittleEndian, []uint32{1, e[1]})
	}
	b.Write(make([]byte, 4))
	return b.Bytes()
}

// pack makes bytes of a string of bits.
func pack(bits string) (out []byte) {
	for i, bit := range bits {
		if i%8 == 0 {
			out = append(out, 0)
		}
		if bit == '1' {
			out[i/8] |= 0x80 >> (i % 8)
		}
	}
	return out
}

func show(name string, raw []byte) {
	m, err := tiff.Decode(bytes.NewReader(raw))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s:", name)
	for _, x := range []int{2, 13} {
		if r, _, _, _ := m.At(x, 2).RGBA(); r == 0 {
			fmt.Print(" black")
		} else {
			fmt.Print(" white")
		}
	}
	fmt.Println()
}

func main() {
	show("uncompressed", file(1, bytes.Repeat([]byte{0x00, 0xff}, 4)))
	first := "001" + "10011" + "000101" // horizontal mode: a white run of 8, a black run of 8
	rest := "11" + "11" + "11"          // both changes are under those of the row above
	end := "000000000001" + "000000000001"
	show("group 4", file(4, pack(first+rest+end)))
}
GO
got=$(go run .)
want='uncompressed: black white
group 4: white black'
if [ "$got" != "$want" ]; then
  printf 'golang.org/x/image no longer decodes fax TIFF files with BlackIsZero as it did. It prints:\n%s\n' "$got" >&2
  exit 1
fi
echo "$got"
