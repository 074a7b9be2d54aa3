package imaging_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"claimcheck.example/internal/processor/imaging"
	"claimcheck.example/internal/processor/schema"
)

func described(t *testing.T, can imaging.Capabilities) *schema.Schema {
	t.Helper()
	s, err := schema.New(imaging.Schema(can))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSchemaAndParserAgree asks both about values of every kind of every key: what the
// schema refuses the parser refuses, and of a single key the other way round.
func TestSchemaAndParserAgree(t *testing.T) {
	t.Parallel()
	s := described(t, imaging.Any())
	values := []string{
		"0", "1", "2", "80", "90", "100", "101", "180", "270", "360", "16384", "16385", "2147483647", "2147483648", "-1", "0.1", "0.05", "1.5", "10", "10.5", "50", "51",
		"true", "false", "null", `""`, `"jpeg"`, `"png"`, `"webp"`, `"avif"`, `"bmp"`, `"horizontal"`, `"up"`, "[]", `["icc"]`, `["exif", "icc"]`, `["xmp"]`, `["icc", "icc", "icc"]`, "{}",
		`{"width": 1}`, `{"height": 16384}`, `{"width": 1, "height": 16385}`, `{"width": 3, "height": 4}`, `{"x": 0, "width": 5, "height": 5}`, `{"x": -1, "y": 1, "width": 5, "height": 5}`, `{"y": 5, "width": 20000}`,
		`{"sigma": 1}`, `{"amount": 0}`, `{"amount": 11}`, `{"unheard": 1}`,
	}
	var single []string
	for _, key := range keysOf(t, "") {
		for _, v := range values {
			single = append(single, fmt.Sprintf(`{%q: %s}`, key, v))
		}
	}
	for _, op := range keysOf(t, "ops") {
		for _, v := range values {
			single = append(single, fmt.Sprintf(`{"ops": [{%q: %s}]}`, op, v))
		}
	}
	refused := 0
	for _, params := range single {
		_, parse := imaging.Parse(json.RawMessage(params), imaging.Limits{MaxPixels: 1 << 40})
		check := s.Check(json.RawMessage(params))
		if (parse == nil) != (check == nil) {
			t.Errorf("%s: the parser says %v, the schema %v", params, parse, check)
		}
		if check != nil {
			refused++
		}
	}
	if refused == 0 || refused == len(single) {
		t.Errorf("of %d params %d are refused", len(single), refused)
	}
	for _, params := range []string{
		"{}", `{"ops": [{"rotate": 90}, {"flip": "vertical"}], "format": "png"}`, `{"width": 1, "height": 2, "format": "webp", "quality": 3}`,
		`{"format": "jpeg", "lossless": false}`, `{"format": "png", "lossless": true, "keep": ["icc"]}`, `{"format": "gif", "animated": true}`,
		`{"ops": [` + strings.Repeat(`{"grayscale": true},`, 15) + `{"grayscale": true}]}`,
	} {
		if _, err := imaging.Parse(json.RawMessage(params), imaging.Limits{}); err != nil {
			t.Errorf("%s: the parser says %v", params, err)
		}
		if err := s.Check(json.RawMessage(params)); err != nil {
			t.Errorf("%s: the schema says %v", params, err)
		}
	}
	for _, params := range []string{
		`{"unheard": 1}`, `{"width": 1, "ops": []}`, `{"format": "png", "quality": 1}`, `{"lossless": true}`, `{"ops": [{"rotate": 90, "blur": 1}]}`,
		`{"ops": [{}]}`, `{"ops": [` + strings.Repeat(`{"grayscale": true},`, 16) + `{"grayscale": true}]}`,
	} {
		if s.Check(json.RawMessage(params)) == nil {
			t.Errorf("%s: the schema allows it", params)
		}
		if _, err := imaging.Parse(json.RawMessage(params), imaging.Limits{}); err == nil {
			t.Errorf("%s: the parser takes it", params)
		}
	}
}

// keysOf lists the names that the parser knows, of params or of operations.
func keysOf(t *testing.T, of string) []string {
	t.Helper()
	asked := `{"unheard of": 1}`
	if of == "ops" {
		asked = `{"ops": [{"unheard of": 1}]}`
	}
	_, names := known(t, asked)
	return names
}

// TestSchemaOfAnEngine lists the formats that the engine writes, and no others.
func TestSchemaOfAnEngine(t *testing.T) {
	t.Parallel()
	var got struct {
		Properties map[string]struct {
			OneOf []struct{ Const, Title string }
		}
	}
	if err := json.Unmarshal(imaging.Schema(imaging.Embedded()), &got); err != nil {
		t.Fatal(err)
	}
	titles := map[string]string{}
	for _, f := range got.Properties["format"].OneOf {
		titles[f.Const] = f.Title
	}
	if names := slices.Sorted(maps.Keys(titles)); !slices.Equal(names, slices.Sorted(slices.Values(imaging.Embedded().Writes))) || slices.Contains(slices.Collect(maps.Values(titles)), "") {
		t.Errorf("the formats are %v", titles)
	}
	if !strings.Contains(titles["webp"], "lossless") {
		t.Errorf("the embedded engine's WebP is called %q", titles["webp"])
	}
	s := described(t, imaging.Embedded())
	for params, want := range map[string]bool{`{"format": "avif"}`: false, `{"animated": true}`: false, `{"format": "webp", "quality": 9}`: false, `{"format": "jpeg", "quality": 9}`: true} {
		if got := s.Check(json.RawMessage(params)) == nil; got != want {
			t.Errorf("%s is allowed: %v", params, got)
		}
	}
}
