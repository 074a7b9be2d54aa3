package dirstore

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// trailer describes an object, after the object's bytes in its file: JSON, its length in four
// bytes (big-endian), and the magic.
type trailer struct {
	ContentType string `json:"content_type"`
	// SHA256 is the lower-case hexadecimal SHA-256 of the bytes, and the object's tag.
	SHA256 string `json:"sha256"`
	// Size is the number of bytes before the trailer.
	Size int64 `json:"size"`
}

// magic ends every file.
const magic = "claimck1"

// maxTrailer bounds a trailer, in bytes.
const maxTrailer = 4 << 10

func (t trailer) encode() ([]byte, error) {
	raw, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	if len(raw) > maxTrailer {
		return nil, fmt.Errorf("a trailer of %d bytes", len(raw))
	}
	raw = binary.BigEndian.AppendUint32(raw, uint32(len(raw)))
	return append(raw, magic...), nil
}

// readTrailer reads the trailer of a file, and compares the length of the file with it.
func readTrailer(f *os.File) (trailer, os.FileInfo, error) {
	var t trailer
	info, err := f.Stat()
	if err != nil {
		return t, nil, err
	}
	const fixed = 4 + len(magic)
	tail := make([]byte, min(info.Size(), 512))
	if _, err := f.ReadAt(tail, info.Size()-int64(len(tail))); err != nil {
		return t, nil, err
	}
	if len(tail) < fixed || string(tail[len(tail)-len(magic):]) != magic {
		return t, nil, fmt.Errorf("%w: no trailer", errDamaged)
	}
	length := int64(binary.BigEndian.Uint32(tail[len(tail)-fixed:]))
	if length > maxTrailer || length+int64(fixed) > info.Size() {
		return t, nil, fmt.Errorf("%w: a trailer of %d bytes", errDamaged, length)
	}
	raw := make([]byte, length)
	if _, err := f.ReadAt(raw, info.Size()-int64(fixed)-length); err != nil && err != io.EOF {
		return t, nil, err
	}
	if err := json.Unmarshal(raw, &t); err != nil {
		return t, nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	if t.Size != info.Size()-int64(fixed)-length {
		return t, nil, fmt.Errorf("%w: %d bytes where %d were written", errDamaged, info.Size()-int64(fixed)-length, t.Size)
	}
	return t, info, nil
}

var errDamaged = errors.New("the file is damaged")
