//go:build vips && linux

package main

import (
	"bytes"

	"claimcheck.example/internal/imageinfo"
)

// managed returns the picture with the profile that counts, and how a frame's colours are brought to sRGB, nil when they are as they
// shall be. A profile that the plan keeps is noted, in the place of the conversion.
func (t *task) managed(m image) (image, func(image) (image, error), error) {
	icc := m.blob("icc-profile-data")
	if t.info.ContentType == imageinfo.PNG || loaders[t.info.ContentType] == "heif" && icc == nil {
		// Package metadata knows all that such a file can say of its colours; libvips knows
		// profiles alone.
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
		return m, nil, nil // none, or one for other colours than these
	case !m.cmyk() && t.plan.Keep.ICC && (m.rgb() || !m.alpha() && t.plan.Format != "webp"): // a WebP is one of colours, and so is what has alpha
		t.profile = bytes.Clone(icc)
		return m, nil, nil
	}
	return m, func(m image) (image, error) {
		gray, deep := m.gray(), m.deep()
		out, err := t.toSRGB(m)
		if err != nil { // a profile that nothing can be made of is as good as none
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

// profileSpace is the colour space of an ICC profile (ICC.1:2022, 7.2), empty when it is
// none.
func profileSpace(icc []byte) string {
	if len(icc) < 132 || string(icc[36:40]) != "acsp" {
		return ""
	}
	return string(icc[16:20])
}
