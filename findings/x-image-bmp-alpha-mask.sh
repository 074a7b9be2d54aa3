#!/usr/bin/env bash
# golang.org/x/image v0.47.0: a BMP file that has no alpha decodes as fully transparent, without an error.
#
# A BITMAPV4HEADER or BITMAPV5HEADER holds an alpha mask. Windows' documentation of the headers says of
# 32 bits and BI_RGB that each pixel has a byte of blue, green and red, and that the high byte is not
# used. x/image/bmp does not read the mask: with one of these headers it takes the fourth byte for alpha
# in any case. Writers leave that byte 0, so the picture is transparent. libvips 8.14.1 (by ImageMagick
# 6.9.11) and Chromium show the file below opaque.
#
# The script makes one red pixel three times: with a BITMAPV5HEADER whose alpha mask is 0 and a fourth
# byte of 0, the same with a fourth byte of 255, and with a BITMAPINFOHEADER. Seen with v0.47.0:
#
#   V5, alpha mask 0, fourth byte 0: alpha 0
#   V5, alpha mask 0, fourth byte 255: alpha 255
#   BITMAPINFOHEADER, fourth byte 0: alpha 255
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

	"golang.org/x/image/bmp"
)

// file is a BMP file of one red pixel with 32 bits, BI_RGB and a header of headerSize bytes,
// whose masks are 0.
func file(headerSize uint32, fourth byte) []byte {
	header := make([]byte, headerSize)
	le := binary.LittleEndian
	le.PutUint32(header[0:], headerSize)
	le.PutUint32(header[4:], 1)   // width
	le.PutUint32(header[8:], 1)   // height
	le.PutUint16(header[12:], 1)  // planes
	le.PutUint16(header[14:], 32) // bits of a pixel
	le.PutUint32(header[20:], 4)  // bytes of pixels
	if headerSize == 124 {
		le.PutUint32(header[56:], 0x73524742) // LCS_sRGB
	}
	start := 14 + headerSize
	b := append([]byte("BM"), make([]byte, 12)...)
	le.PutUint32(b[2:], start+4)
	le.PutUint32(b[10:], start)
	return append(append(b, header...), 0, 0, 255, fourth)
}

func show(name string, raw []byte) {
	m, err := bmp.Decode(bytes.NewReader(raw))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s: alpha %d\n", name, color.NRGBAModel.Convert(m.At(0, 0)).(color.NRGBA).A)
}

func main() {
	show("V5, alpha mask 0, fourth byte 0", file(124, 0))
	show("V5, alpha mask 0, fourth byte 255", file(124, 255))
	show("BITMAPINFOHEADER, fourth byte 0", file(40, 0))
}
GO
got=$(go run .)
want='V5, alpha mask 0, fourth byte 0: alpha 0
V5, alpha mask 0, fourth byte 255: alpha 255
BITMAPINFOHEADER, fourth byte 0: alpha 255'
if [ "$got" != "$want" ]; then
  printf 'golang.org/x/image no longer reads the fourth byte of BMP files as it did. It prints:\n%s\n' "$got" >&2
  exit 1
fi
echo "$got"
