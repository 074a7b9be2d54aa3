package remote

import (
	"encoding/json"
	"mime"
	"strings"
	"unicode"
)

// maxReason bounds what a client reads of a refusal, in characters.
const maxReason = 300

// reason returns the sentence of a refusal: the detail, error or message of a JSON object,
// or the first line of a text. It is empty for anything else, such as a page.
func reason(contentType string, body []byte) string {
	mediaType, _, _ := mime.ParseMediaType(contentType)
	var why string
	switch {
	case mediaType == "application/json" || strings.HasSuffix(mediaType, "+json"):
		var members map[string]any
		if json.Unmarshal(body, &members) != nil {
			return ""
		}
		for _, name := range []string{"detail", "error", "message"} {
			if text, ok := members[name].(string); ok && why == "" {
				why = text
			}
		}
	case mediaType == "text/plain":
		why, _, _ = strings.Cut(strings.TrimSpace(string(body)), "\n")
	}
	why = strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(why, "?")))
	line := []rune(strings.TrimSuffix(why, "."))
	return string(line[:min(len(line), maxReason)])
}
