package embedded

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"image"
	"io"

	"claimcheck.example/internal/imageinfo"
	"claimcheck.example/internal/processor/imaging/metadata"
	"github.com/HugoSmits86/nativewebp"
	"golang.org/x/image/webp"
)

// decodeWebP decodes a picture, or an animation's first frame at its place.
func decodeWebP(ctx context.Context, data []byte, info imageinfo.Info) (image.Image, error) {
	file, at := soleFrame(data)
	c, err := webp.DecodeConfig(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	if c.Width > info.Width || c.Height > info.Height {
		return nil, errWebP
	}
	m, err := webp.Decode(reader(ctx, file))
	if err != nil {
		return nil, err
	}
	// Pairs of pixels share chroma, and places are even, so images can be moved as a whole.
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

// errWebP means that a frame is larger than the picture.
var errWebP = errors.New("malformed WebP")

// studioImage is the image of a lossy WebP, whose samples are studio video (ITU-R BT.601:
// black is 16, white 235). Package image would take them for those of JPEG.
type studioImage struct {
	*image.NYCbCrA
	opaque bool // without A
}

func (m *studioImage) pixel(x, y int, px *[4]float32) {
	cb, cr := chroma(&m.YCbCr, x, y)
	r, g, b := studioRGB(float32(m.Y[m.YOffset(x, y)]), cb, cr)
	a := float32(1)
	if !m.opaque {
		a = float32(m.A[m.AOffset(x, y)]) * unit8
	}
	*px = [4]float32{clamp(r * unit8), clamp(g * unit8), clamp(b * unit8), a}
}

// studioRGB converts samples of studio video to colours of 0 to 255.
func studioRGB(y, cb, cr float32) (r, g, b float32) {
	luma := (y - 16) * (255.0 / 219)
	cb, cr = cb-128, cr-128
	return luma + 1.596027*cr, luma - 0.391762*cb - 0.812968*cr, luma + 2.017232*cb
}

// soleFrame returns a file with only the pixels of the picture, or of the first frame of
// an animation, under a correct header: some writers announce transparency that does not
// exist. At is the frame's place on the canvas.
func soleFrame(data []byte) (file []byte, at image.Point) {
	le24 := func(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }
	var size []byte // width and height less one, as in VP8X
	chunks := data[12:]
	for kind, body := range metadata.WebPChunks(chunks) {
		if kind == "VP8X" && len(body) >= 10 {
			size = body[4:10]
		}
		if kind == "ANMF" && len(body) >= 16 {
			at = image.Pt(2*le24(body), 2*le24(body[3:]))
			size, chunks = body[6:12], body[16:]
			break
		}
	}
	file = []byte("RIFF\x00\x00\x00\x00WEBP")
	add := func(kind string, body []byte) {
		file = append(file, kind...)
		file = binary.LittleEndian.AppendUint32(file, uint32(len(body)))
		file = append(file, body...)
		if len(body)%2 == 1 {
			file = append(file, 0)
		}
	}
	var alpha []byte
	for kind, body := range metadata.WebPChunks(chunks) {
		switch kind {
		case "ALPH":
			alpha = body
			continue
		case "VP8 ":
			if alpha != nil && size != nil {
				add("VP8X", append([]byte{0x10, 0, 0, 0}, size...))
				add("ALPH", alpha)
			}
		case "VP8L": // it states its own transparency
		default:
			continue
		}
		add(kind, body)
		break
	}
	binary.LittleEndian.PutUint32(file[4:], uint32(len(file)-8))
	return file, at
}

// encodeWebP writes a lossless file, with a profile unless icc is nil. It builds the file
// in memory: the header states its length, and the encoder below does not notice a failed
// write.
func encodeWebP(w io.Writer, m image.Image, icc []byte) error {
	var b bytes.Buffer
	if err := nativewebp.Encode(&b, m, nil); err != nil {
		return err
	}
	file := b.Bytes()
	if icc != nil {
		opaque := m.(interface{ Opaque() bool }).Opaque() // every type of package image has the method
		file = metadata.WebPWithProfile(file, icc, m.Bounds().Dx(), m.Bounds().Dy(), !opaque)
	}
	_, err := w.Write(file)
	return err
}
