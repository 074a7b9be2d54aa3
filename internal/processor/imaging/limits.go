package imaging

// Limits bound the input and output of an engine. The zero value of a field is its
// default.
type Limits struct {
	// MaxPixels bounds the input (all frames together) and the result; default 50
	// million.
	MaxPixels int64
	// MaxInputBytes bounds the input file; default 100 MiB.
	MaxInputBytes int64
	// MaxOutputBytes bounds the output file; default 256 MiB.
	MaxOutputBytes int64
}

// WithDefaults returns the limits with a value in every field.
func (l Limits) WithDefaults() Limits {
	if l.MaxPixels <= 0 {
		l.MaxPixels = 50_000_000
	}
	if l.MaxInputBytes <= 0 {
		l.MaxInputBytes = 100 << 20
	}
	if l.MaxOutputBytes <= 0 {
		l.MaxOutputBytes = 256 << 20
	}
	return l
}

// Bounds of params.
const (
	maxSide   = 16384 // pixels, of a width, height or offset
	maxOps    = 16
	maxSigma  = 50.0 // pixels
	maxAmount = 10.0
)
