package imaging

import (
	"strings"

	"claimcheck.example/internal/imageinfo"
	"claimcheck.example/internal/job"
)

// Format is a file format of results.
type Format struct {
	// Name is the format's name in params.
	Name        string
	ContentType string
	// Lossy and Lossless say which kinds an encoder offers.
	Lossy, Lossless bool
	// Quality is the default quality of a lossy file.
	Quality int
	// Alpha: the format has transparency.
	Alpha bool
	// Animated: the format has several frames.
	Animated bool
	// MaxSide is the longest side that the format can state, in pixels.
	MaxSide int
	// Keep says which metadata the format can carry.
	Keep Keep
}

// formats is the table of formats, in the order in which sentences list them.
var formats = []Format{
	{Name: "jpeg", ContentType: imageinfo.JPEG, Lossy: true, Quality: 85, MaxSide: 1<<16 - 1, Keep: Keep{ICC: true, EXIF: true}},
	{Name: "png", ContentType: imageinfo.PNG, Lossless: true, Alpha: true, MaxSide: 1<<31 - 1, Keep: Keep{ICC: true, EXIF: true}},
	{Name: "gif", ContentType: imageinfo.GIF, Alpha: true, Animated: true, MaxSide: 1<<16 - 1},
	{Name: "webp", ContentType: imageinfo.WebP, Lossy: true, Lossless: true, Quality: 80, Alpha: true, Animated: true, MaxSide: 1 << 14, Keep: Keep{ICC: true}},
	{Name: "tiff", ContentType: imageinfo.TIFF, Lossless: true, Alpha: true, MaxSide: 1<<31 - 1},
	{Name: "avif", ContentType: imageinfo.AVIF, Lossy: true, Lossless: true, Quality: 60, Alpha: true, MaxSide: 1 << 14, Keep: Keep{ICC: true}},
	{Name: "jxl", ContentType: imageinfo.JXL, Lossy: true, Lossless: true, Quality: 85, Alpha: true, MaxSide: 1 << 20, Keep: Keep{ICC: true}},
}

// FormatOf returns the format with a name.
func FormatOf(name string) (f Format, ok bool) {
	for _, f := range formats {
		if f.Name == name {
			return f, true
		}
	}
	return Format{}, false
}

func formatNames() []string {
	names := make([]string, len(formats))
	for i, f := range formats {
		names[i] = f.Name
	}
	return names
}

// formatsWith lists the formats with a property: "jpeg, webp and avif".
func formatsWith(is func(Format) bool) string {
	var names []string
	for _, f := range formats {
		if is(f) {
			names = append(names, f.Name)
		}
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// ResultFormat returns the format of a result of w x h pixels: the planned one, or else
// one chosen by the type of the input and the presence of transparent pixels. It refuses
// sides that the format cannot state.
func (p Plan) ResultFormat(inputType string, alpha bool, w, h int) (Format, error) {
	name := p.Format
	if name == "" {
		name = p.defaultFormat(inputType, alpha)
	}
	f, _ := FormatOf(name)
	if w > f.MaxSide || h > f.MaxSide {
		return Format{}, job.Errorf(job.TooLarge, "the result would be %d x %d pixels; a %s file holds at most %d a side", w, h, f.Name, f.MaxSide)
	}
	return f, nil
}

func (p Plan) defaultFormat(inputType string, alpha bool) string {
	switch {
	case p.Animated && inputType == imageinfo.GIF:
		return "gif"
	case p.Animated && inputType == imageinfo.WebP:
		return "webp"
	case inputType == imageinfo.JPEG:
		return "jpeg"
	case inputType == imageinfo.PNG, inputType == imageinfo.GIF, alpha:
		return "png"
	}
	return "jpeg"
}
