package embedded

import (
	"bytes"
	"encoding/binary"
	"image"
	"io"

	"claimcheck.example/internal/processor/imaging/metadata"
	"github.com/HugoSmits86/nativewebp"
	"golang.org/x/image/webp"
)

// decodeWebP decodes a picture, or an animation's first frame at its place.
func decodeWebP(r io.Reader) (image.Image, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	frame, at := firstFrame(data)
	if frame == nil {
		frame = data
	}
	m, err := webp.Decode(bytes.NewReader(frame))
	if err != nil {
		return nil, err
	}
	// Chroma is shared by pixels in pairs, and places are even, so that images may be
	// moved as a whole.
	switch m := m.(type) {
	case *image.YCbCr:
		m.Rect = m.Rect.Add(at)
		return &studioImage{NYCbCrA: &image.NYCbCrA{YCbCr: *m}, opaque: true}, nil
	case *image.NYCbCrA:
		m.Rect = m.Rect.Add(at)
		return &studioImage{NYCbCrA: m}, nil
	case *image.NRGBA:
		m.Rect = m.Rect.Add(at)
	}
	return m, nil
}

// studioImage is a lossy WebP's, whose samples are those of studio video (ITU-R
// BT.601: black is 16, white 235), where package image takes all for JPEG's.
type studioImage struct {
	*image.NYCbCrA
	opaque bool // there is no A
}

func (m *studioImage) pixel(x, y int, px *[4]float32) {
	yi, ci := m.YOffset(x, y), m.COffset(x, y)
	luma := (float32(m.Y[yi]) - 16) * (unit8 * 255 / 219)
	cb, cr := (float32(m.Cb[ci])-128)*unit8, (float32(m.Cr[ci])-128)*unit8
	a := float32(1)
	if !m.opaque {
		a = float32(m.A[m.AOffset(x, y)]) * unit8
	}
	*px = [4]float32{clamp(luma + 1.596027*cr), clamp(luma - 0.391762*cb - 0.812968*cr), clamp(luma + 2.017232*cb), a}
}

// firstFrame makes a file of its own of the first frame of an animation, and tells
// where on the canvas it lies; nil when data is no animation.
func firstFrame(data []byte) (file []byte, at image.Point) {
	for kind, body := range metadata.WebPChunks(data[12:]) {
		if kind != "ANMF" || len(body) < 16 {
			continue
		}
		le24 := func(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }
		at = image.Pt(2*le24(body), 2*le24(body[3:]))
		file = append([]byte("RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00"), 0x10, 0, 0, 0)
		file = append(file, body[6:12]...) // its size, as VP8X has it
		for kind, chunk := range metadata.WebPChunks(body[16:]) {
			if kind == "VP8L" { // knows its own transparency, and stands alone
				file = file[:12]
			}
			file = append(file, kind...)
			file = binary.LittleEndian.AppendUint32(file, uint32(len(chunk)))
			file = append(file, chunk...)
			if len(chunk)%2 == 1 {
				file = append(file, 0)
			}
		}
		binary.LittleEndian.PutUint32(file[4:], uint32(len(file)-8))
		return file, at
	}
	return nil, image.Point{}
}

// encodeWebP writes a lossless file, with a profile unless icc is nil. The file is
// made in memory: its header states its length, and the encoder below does not notice
// when a write fails.
func encodeWebP(w io.Writer, m image.Image, icc []byte) error {
	var b bytes.Buffer
	if err := nativewebp.Encode(&b, m, nil); err != nil {
		return err
	}
	file := b.Bytes()
	if icc != nil {
		opaque := m.(interface{ Opaque() bool }).Opaque() // as all of image's kinds can tell
		file = metadata.WebPWithProfile(file, icc, m.Bounds().Dx(), m.Bounds().Dy(), !opaque)
	}
	_, err := w.Write(file)
	return err
}
