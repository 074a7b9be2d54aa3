package httpapi_test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/awslocal/awstest"
)

// anyFormat is a processor that takes every image, and that no test reaches.
const anyFormat = "PROCESSOR=http://127.0.0.1:1/"

func picture(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(awstest.Path(filepath.Join("../imageinfo/testdata", name)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestNewFormatsAreTaken submits and uploads HEIC, AVIF and JPEG XL to a service whose
// processor takes them.
func TestNewFormatsAreTaken(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, anyFormat)
	tests := []struct {
		file, contentType string
		width, height     float64
		names             []string
	}{
		{"writers/odd-clap.heic", "image/heic", 101, 67, []string{"image/heic", "image/heif", "image/heic-sequence", "image/heif-sequence"}},
		{"writers/turned-mirrored.avif", "image/avif", 64, 96, []string{"image/avif", "image/avif-sequence"}},
		{"writers/bare.jxl", "image/jxl", 101, 67, []string{"image/jxl"}},
		{"writers/boxed.jxl", "image/jxl", 96, 64, []string{"IMAGE/JXL"}},
		{"cases/24-orientation-long-le.jpg", "image/jpeg", 96, 64, []string{"image/jpg", "IMAGE/JPEG", "image/jpeg; q=1", "image/pjpeg"}},
		{"cases/scene.png", "image/png", 96, 64, []string{"image/x-png"}},
		{"cases/x-bigtiff.tif", "image/tiff", 96, 64, []string{"image/tif"}},
		{"cases/x-os2.bmp", "image/bmp", 96, 64, []string{"image/x-ms-bmp"}},
	}
	wantInput := func(t *testing.T, location, contentType string, width, height float64) {
		t.Helper()
		in, _ := apptest.Get(t, location).JSON(t)["input"].(map[string]any)
		if in["content_type"] != contentType || in["width"] != width || in["height"] != height {
			t.Errorf("the input is %v, want %s of %v x %v", in, contentType, width, height)
		}
	}
	for _, tt := range tests {
		data := picture(t, tt.file)
		a := apptest.Do(t, http.MethodPost, s.URL+"/jobs", bytes.NewReader(data), "Content-Type", tt.contentType)
		if a.StatusCode != http.StatusAccepted {
			t.Errorf("%s: %s: %s", tt.file, a.Status, a.Bytes)
			continue
		}
		wantInput(t, a.Header.Get("Location"), tt.contentType, tt.width, tt.height)
		for _, name := range tt.names {
			a := announce(t, s, name, len(data))
			o := offerOf(t, a)
			if o.header["Content-Type"] != tt.contentType {
				t.Errorf("%s announced as %s: the upload's type is %s", tt.file, name, o.header["Content-Type"])
			}
			if resp := o.put(t, data); resp.StatusCode != http.StatusOK {
				t.Fatalf("%s announced as %s: upload: %s", tt.file, name, resp.Status)
			}
			location := a.Header.Get("Location")
			if a := commit(t, location); a.StatusCode != http.StatusAccepted {
				t.Errorf("%s announced as %s: commit: %s: %s", tt.file, name, a.Status, a.Bytes)
			}
			wantInput(t, location, tt.contentType, tt.width, tt.height)
		}
	}
}

// TestTooManyPixelsOfNewFormats holds them to the limit by their headers.
func TestTooManyPixelsOfNewFormats(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, anyFormat, "MAX_IMAGE_PIXELS=6000")
	for _, file := range []string{"writers/odd-clap.heic", "writers/grid.avif", "writers/sequence.avif", "writers/boxed.jxl", "cases/x-bigtiff.tif"} {
		data := picture(t, file)
		a := apptest.Do(t, http.MethodPost, s.URL+"/jobs", bytes.NewReader(data), "Content-Type", "application/octet-stream")
		if a.StatusCode != http.StatusRequestEntityTooLarge || !strings.Contains(a.JSON(t)["detail"].(string), "pixels") {
			t.Errorf("%s: %s: %s", file, a.Status, a.Bytes)
		}
	}
	wantNothing(t, s)
}

// TestFilesAreRefusedByName submits what the built-in processor does not take.
func TestFilesAreRefusedByName(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	tests := []struct {
		name string
		data []byte
		want string
	}{
		{"pdf", []byte("%PDF-1.7\n1 0 obj"), "the file is a PDF, not an image"},
		{"svg", []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`), "the file is an SVG drawing, not an image"},
		{"ico", append([]byte("\x00\x00\x01\x00\x01\x00"), make([]byte, 40)...), "the file is an ICO icon, which this service does not process; send a JPEG"},
		{"text", []byte("hello"), "the file is not an image by its content; send a JPEG"},
	}
	for _, tt := range tests {
		a := apptest.Do(t, http.MethodPost, s.URL+"/jobs", bytes.NewReader(tt.data), "Content-Type", "image/png")
		if detail := a.JSON(t)["detail"].(string); a.StatusCode != http.StatusUnsupportedMediaType || !strings.HasPrefix(detail, tt.want) {
			t.Errorf("%s: %s: %q, want it to begin with %q", tt.name, a.Status, detail, tt.want)
		}
	}
	wantNothing(t, s)
}

// TestPageNamesTheFormats compares what the page says and its chooser offers with what
// the service takes.
func TestPageNamesTheFormats(t *testing.T) {
	t.Parallel()
	tests := []struct{ processor, formats, types string }{
		{"PROCESSOR=image", "JPEG, PNG, GIF, WebP, TIFF or BMP", "image/jpeg,.jpg,.jpeg,image/png,.png,image/gif,.gif,image/webp,.webp,image/tiff,.tif,.tiff,image/bmp,.bmp"},
		{anyFormat, "JPEG, PNG, GIF, WebP, TIFF, BMP, HEIC, AVIF or JPEG XL", "image/bmp,.bmp,image/heic,.heic,.heif,image/avif,.avif,image/jxl,.jxl"},
	}
	for _, tt := range tests {
		page := string(apptest.Get(t, apptest.Start(t, tt.processor).URL).Bytes)
		if !strings.Contains(page, "<p id=\"takes\" class=\"quiet\">"+tt.formats+", as many as you like.</p>") {
			t.Errorf("%s: the page does not say %q", tt.processor, tt.formats)
		}
		if !strings.Contains(page, tt.types+"\" multiple") {
			t.Errorf("%s: the chooser does not offer %q", tt.processor, tt.types)
		}
	}
}
