#!/usr/bin/env bash
# Go 1.26, image/jpeg: a progressive JPEG with restart intervals and subsampled chroma is refused.
#
# ITU-T T.81, A.2.1 and A.2.2: in a scan of one component the MCU is one data unit (a block of 8 × 8),
# and a restart interval counts MCUs. image/jpeg counts the MCUs of an interleaved scan there too, four
# blocks of the luma at 4:2:0. So it meets a restart marker where it expects coded bits. Every
# progressive file has such scans; `cjpeg -progressive -restart 1` of libjpeg-turbo writes such files,
# and its djpeg 2.1.5 reads the one below.
#
# The script makes a grey picture of 16 × 16 pixels as a progressive JPEG at 4:2:0, without restart
# intervals and with one after each MCU, and at 4:4:4. Seen with Go 1.26.8:
#
#   4:2:0: grey
#   4:4:4, restart interval 1: grey
#   4:2:0, restart interval 1: invalid JPEG format: missing 0xff00 sequence
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOWORK=off GOTOOLCHAIN=go1.26.8
go mod init finding.example 2>/dev/null

cat >main.go <<'GO'
package main

import (
	"bytes"
	"fmt"
	"image/color"
	"image/jpeg"
)

// segment is a marker with its length and payload.
func segment(marker byte, payload ...byte) []byte {
	n := len(payload) + 2
	return append([]byte{0xff, marker, byte(n >> 8), byte(n)}, payload...)
}

// scan is an entropy-coded scan in which each block is the one-bit code 0: no difference
// in the DC coefficient, or no AC coefficient.
func scan(header []byte, blocks, interval int) []byte {
	out := segment(0xda, header...)
	for first := 0; first < blocks; first += interval {
		if first > 0 {
			out = append(out, 0xff, 0xd0+byte(first/interval-1)%8)
		}
		out = append(out, byte(0xff)>>min(interval, blocks-first)) // padded with ones
	}
	return out
}

// file is a progressive JPEG of one MCU (4:2:0) or four (4:4:4): the DC scan of all
// components, then an AC scan of each.
func file(sampling byte, restart bool) []byte {
	mcus, perMCU := 1, 6
	if sampling == 0x11 {
		mcus, perMCU = 4, 3
	}
	interval := func(whole, one int) int {
		if restart {
			return one
		}
		return whole
	}
	quantization := append([]byte{0}, bytes.Repeat([]byte{1}, 64)...)
	var b bytes.Buffer
	b.Write([]byte{0xff, 0xd8})
	b.Write(segment(0xdb, quantization...))
	b.Write(segment(0xc2, 8, 0, 16, 0, 16, 3, 1, sampling, 0, 2, 0x11, 0, 3, 0x11, 0))
	for _, class := range []byte{0x00, 0x10} { // one code of one bit, of the value 0
		b.Write(segment(0xc4, append([]byte{class, 1}, make([]byte, 16)...)...))
	}
	if restart {
		b.Write(segment(0xdd, 0, 1))
	}
	b.Write(scan([]byte{3, 1, 0, 2, 0, 3, 0, 0, 0, 0}, mcus*perMCU, interval(mcus*perMCU, perMCU)))
	for component, blocks := range []int{4, mcus, mcus} { // luma has four at both samplings
		b.Write(scan([]byte{1, byte(component + 1), 0, 1, 63, 0}, blocks, interval(blocks, 1)))
	}
	b.Write([]byte{0xff, 0xd9})
	return b.Bytes()
}

func show(name string, raw []byte) {
	m, err := jpeg.Decode(bytes.NewReader(raw))
	switch {
	case err != nil:
		fmt.Printf("%s: %v\n", name, err)
	case color.GrayModel.Convert(m.At(9, 9)) == color.Gray{Y: 128}:
		fmt.Printf("%s: grey\n", name)
	default:
		fmt.Printf("%s: another picture\n", name)
	}
}

func main() {
	show("4:2:0", file(0x22, false))
	show("4:4:4, restart interval 1", file(0x11, true))
	show("4:2:0, restart interval 1", file(0x22, true))
}
GO
got=$(go run .)
want='4:2:0: grey
4:4:4, restart interval 1: grey
4:2:0, restart interval 1: invalid JPEG format: missing 0xff00 sequence'
if [ "$got" != "$want" ]; then
  printf 'image/jpeg no longer refuses this progressive file as it did. It prints:\n%s\n' "$got" >&2
  exit 1
fi
echo "$got"
