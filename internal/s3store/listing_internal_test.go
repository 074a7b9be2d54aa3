package s3store

import (
	"slices"
	"testing"
)

// TestCutKeys cuts keys out of pages as stores write them.
func TestCutKeys(t *testing.T) {
	t.Parallel()
	const head = `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>true</IsTruncated>`
	const tail = `<NextContinuationToken>next</NextContinuationToken></ListBucketResult>`
	tests := map[string]struct {
		objects string
		want    []string
		refused bool
	}{
		"none":     {},
		"two":      {objects: "<Contents><Key>a/1</Key><Size>3</Size></Contents><Contents><ETag>&quot;x&quot;</ETag><Key>a/2</Key></Contents>", want: []string{"a/1", "a/2"}},
		"escaped":  {objects: "<Contents><Key>a&amp;b&#x3D;&lt;&#39;</Key></Contents>", want: []string{"a&b=<'"}},
		"spaced":   {objects: "\n  <Contents>\n    <Key>a</Key>\n  </Contents>\n", want: []string{"a"}},
		"no key":   {objects: "<Contents><Size>3</Size></Contents>", refused: true},
		"broken":   {objects: "<Contents><Key>a</Key>", refused: true},
		"entity":   {objects: "<Contents><Key>&nothing;</Key></Contents>", refused: true},
		"comment":  {objects: "<!-- <Contents><Key>a</Key></Contents> -->", refused: true},
		"section":  {objects: "<Contents><Key><![CDATA[a]]></Key></Contents>", refused: true},
		"prefixed": {objects: "<s3:Contents><s3:Key>a</s3:Key></s3:Contents>"}, // the SDK reads what stays
	}
	for name, tt := range tests {
		keys, rest, ok := cutKeys([]byte(head + tt.objects + tail))
		if ok == tt.refused || !slices.Equal(keys, tt.want) {
			t.Errorf("%s: got %q, %v; want %q", name, keys, ok, tt.want)
		}
		stays := head + tail
		if name == "spaced" {
			stays = head + "\n  \n" + tail
		}
		if name == "prefixed" {
			stays = head + tt.objects + tail
		}
		if ok && string(rest) != stays {
			t.Errorf("%s: what stays is %s", name, rest)
		}
	}
}
