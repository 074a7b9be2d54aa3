package httpapi

import (
	"mime/multipart"
	"regexp"
	"strings"

	"claimcheck.example/internal/job"
)

// nameOf is the name parameter of a Content-Disposition whose other parameters may be
// malformed: a value in quotes, or up to the next separator.
var nameOf = regexp.MustCompile(`(?i);[ \t]*name[ \t]*=[ \t]*(?:"([^"\\]*)"|([^ \t";]+))[ \t]*(?:;|$)`)

// fieldName returns the name of a part's field. File names are not used for anything, and
// many clients write them without the quotes that they need: such a header is read for
// the field's name alone, which must be there once.
func fieldName(p *multipart.Part) (string, error) {
	if name := p.FormName(); name != "" {
		return name, nil
	}
	header := p.Header.Get("Content-Disposition")
	if !strings.HasPrefix(strings.ToLower(strings.TrimLeft(header, " \t")), "form-data") || !strings.Contains(strings.ToLower(header), "filename") {
		return "", job.Errorf(job.Invalid, "a part of the form has no field name")
	}
	found := nameOf.FindAllStringSubmatch(header, -1)
	if len(found) != 1 || found[0][1]+found[0][2] == "" {
		return "", job.Errorf(job.Invalid, `the file name of a part of the form is malformed and hides the field's name; send it in quotes, as in: Content-Disposition: form-data; name="image"; filename="picture.jpg"`)
	}
	return found[0][1] + found[0][2], nil
}

// isFile reports whether a part is a file, by its header.
func isFile(p *multipart.Part) bool {
	return strings.Contains(strings.ToLower(p.Header.Get("Content-Disposition")), "filename")
}

// asItIs refuses a part whose bytes are encoded.
func asItIs(p *multipart.Part, name string) error {
	switch enc := strings.ToLower(strings.TrimSpace(p.Header.Get("Content-Transfer-Encoding"))); enc {
	case "", "binary", "8bit", "7bit":
		return nil
	case "base64":
		return job.Errorf(job.Unsupported, "the part %.40q is base64-encoded; send the bytes as they are", name)
	default:
		return job.Errorf(job.Unsupported, "the part %.40q has the Content-Transfer-Encoding %.40q; send the bytes as they are", name, enc)
	}
}
