package imaging

import (
	"slices"

	"claimcheck.example/internal/imageinfo"
	"claimcheck.example/internal/job"
)

// Capabilities are what one engine, or a choice of engines, can do.
type Capabilities struct {
	// Reads lists the media types that it decodes.
	Reads []string
	// Writes lists the formats that it encodes, by their names in params.
	Writes []string
	// LossyWebP: it can write a lossy WebP, with a quality.
	LossyWebP bool
	// Animated: it keeps all frames of an animation.
	Animated bool
}

// Embedded returns the capabilities of the engine in pure Go.
func Embedded() Capabilities {
	return Capabilities{
		Reads:  []string{imageinfo.JPEG, imageinfo.PNG, imageinfo.GIF, imageinfo.WebP, imageinfo.TIFF, imageinfo.BMP},
		Writes: []string{"jpeg", "png", "gif", "webp", "tiff"},
	}
}

// Any returns the capabilities of all engines together. A submit checks against them
// where it cannot know the engine of its worker.
func Any() Capabilities {
	return Capabilities{
		Reads:  append(Embedded().Reads, imageinfo.HEIC, imageinfo.HEIF, imageinfo.AVIF, imageinfo.JXL),
		Writes: formatNames(), LossyWebP: true, Animated: true,
	}
}

// Read refuses a media type that the engine cannot decode.
func (c Capabilities) Read(contentType string) error {
	if slices.Contains(c.Reads, contentType) {
		return nil
	}
	if slices.Contains(Any().Reads, contentType) {
		return job.Errorf(job.Unsupported, "the embedded engine does not read %s; the vips engine reads it", contentType)
	}
	return job.Errorf(job.Unsupported, "the built-in processor does not read %s", contentType)
}

// Write refuses a plan whose result the engine cannot encode.
func (c Capabilities) Write(p Plan) error {
	switch {
	case p.Format != "" && !slices.Contains(c.Writes, p.Format):
		return job.Errorf(job.Invalid, "the embedded engine does not write %s; the vips engine writes it", p.Format)
	case p.Format == "webp" && !p.Lossless && !c.LossyWebP:
		return job.Errorf(job.Invalid, "the embedded engine does not write lossy webp; the vips engine writes it")
	case p.Animated && !c.Animated:
		return job.Errorf(job.Invalid, "the embedded engine does not write animations; the vips engine writes them")
	}
	return nil
}
