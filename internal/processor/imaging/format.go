package imaging

import (
	"claimcheck.example/internal/imageinfo"
	"claimcheck.example/internal/job"
)

// Format is a kind of file that a result can be.
type Format struct {
	// Name is the format's in params.
	Name        string
	ContentType string
	// Quality: the format's encoder has one.
	Quality bool
	// Alpha: its pixels may be transparent.
	Alpha bool
	// MaxSide is the greatest side that a file can state, in pixels.
	MaxSide int
	// Keep says which metadata a file can have.
	Keep Keep
}

// formats is the table of formats, in the order in which sentences list them.
var formats = []Format{
	{Name: "jpeg", ContentType: imageinfo.JPEG, Quality: true, MaxSide: 1<<16 - 1, Keep: Keep{ICC: true, EXIF: true}},
	{Name: "png", ContentType: imageinfo.PNG, Alpha: true, MaxSide: 1<<31 - 1, Keep: Keep{ICC: true, EXIF: true}},
	{Name: "gif", ContentType: imageinfo.GIF, Alpha: true, MaxSide: 1<<16 - 1},
	{Name: "webp", ContentType: imageinfo.WebP, Alpha: true, MaxSide: 1 << 14, Keep: Keep{ICC: true}},
	{Name: "tiff", ContentType: imageinfo.TIFF, Alpha: true, MaxSide: 1<<31 - 1},
}

// FormatOf returns the format of that name.
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

// ResultFormat is that of the result of w x h pixels: as planned, or, where nothing is,
// by the type of the input and whether there are transparent pixels. It refuses sides
// that the format cannot state.
func (p Plan) ResultFormat(inputType string, alpha bool, w, h int) (Format, error) {
	name := p.Format
	if name == "" {
		name = defaultFormat(inputType, alpha)
	}
	f, _ := FormatOf(name)
	if w > f.MaxSide || h > f.MaxSide {
		return Format{}, job.Errorf(job.TooLarge, "the result would be %d x %d pixels; a %s file holds at most %d a side", w, h, f.Name, f.MaxSide)
	}
	return f, nil
}

func defaultFormat(inputType string, alpha bool) string {
	switch {
	case inputType == imageinfo.JPEG:
		return "jpeg"
	case inputType == imageinfo.PNG, inputType == imageinfo.GIF, alpha:
		return "png"
	}
	return "jpeg"
}
