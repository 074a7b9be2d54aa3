//go:build vips && linux

package main

import (
	"bytes"

	"claimcheck.example/internal/imageinfo"
)

// managed returns the picture with the profile in force, and the conversion of a frame's
// colours to sRGB, nil when none is needed. When the plan keeps the profile, it records
// the profile instead of a conversion.
func (t *task) managed(m image) (image, func(image) (image, error), error) {
	icc := m.blob("icc-profile-data")
	if t.info.ContentType == imageinfo.PNG || loaders[t.info.ContentType] == "heif" && icc == nil {
		// Package metadata knows all colour information of such files; libvips knows only
		// profiles.
		if icc = t.meta.ICC; icc != nil {
			var err error
			if m, err = t.withProfile(m, icc); err != nil {
				return m, nil, err
			}
		}
	}
	space := profileSpace(icc)
	switch {
	case m.cmyk() && space != "CMYK":
		return m, func(m image) (image, error) { return t.colours(m, false, false) }, nil
	case m.rgb() && space != "RGB ", m.gray() && space != "GRAY":
		return m, nil, nil // none, or one for other colours
	case !m.cmyk() && t.plan.Keep.ICC && (m.rgb() || !m.alpha() && t.plan.Format != "webp"): // a WebP is always colour, and so is a picture with alpha
		t.profile = bytes.Clone(icc)
		return m, nil, nil
	}
	return m, func(m image) (image, error) {
		gray, deep := m.gray(), m.deep()
		out, err := t.toSRGB(m)
		if err != nil { // an unusable profile counts as none
			if m.cmyk() {
				return t.colours(m, false, false)
			}
			return m, nil
		}
		if gray {
			return t.colours(out, true, deep)
		}
		return out, nil
	}, nil
}

// profileSpace returns the colour space of an ICC profile (ICC.1:2022, 7.2), empty when b
// is not one.
func profileSpace(icc []byte) string {
	if len(icc) < 132 || string(icc[36:40]) != "acsp" {
		return ""
	}
	return string(icc[16:20])
}
