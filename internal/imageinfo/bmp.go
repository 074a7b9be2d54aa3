package imageinfo

import "encoding/binary"

// bmpFile reads the header of a BMP file. It does not check that all pixels are present.
type bmpFile struct {
	t    tracker
	size uint32 // of the second header
}

func newBMP(t tracker) (format, want) {
	return &bmpFile{t: t}, want{at: 14, size: 4}
}

func (m *bmpFile) tracker() *tracker { return &m.t }

func (m *bmpFile) next(_ int64, b []byte) (want, error) {
	if m.size == 0 {
		m.size = binary.LittleEndian.Uint32(b)
		return want{at: 18, size: 8}, nil
	}
	w, h := int64(int32(binary.LittleEndian.Uint32(b))), int64(int32(binary.LittleEndian.Uint32(b[4:])))
	if m.size == 12 { // OS/2: sixteen bits each
		w, h = int64(binary.LittleEndian.Uint16(b)), int64(binary.LittleEndian.Uint16(b[2:]))
	}
	if h < 0 { // rows from the top
		h = -h
	}
	if err := m.t.canvas(w, h); err != nil {
		return want{}, err
	}
	return want{}, m.t.frame(w, h)
}
