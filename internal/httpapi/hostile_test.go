package httpapi_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/awslocal/awstest"
)

// wantNothing fails the test unless bucket and queue are empty, unfinished multipart
// uploads included.
func wantNothing(t *testing.T, s *apptest.System) {
	t.Helper()
	for _, key := range s.Keys(t) {
		t.Errorf("object %s is left", key)
	}
	uploads, err := s.S3.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &s.Bucket})
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range uploads.Uploads {
		t.Errorf("multipart upload of %s is left open", *u.Key)
	}
	queue, err := s.SQS.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &s.QueueURL, AttributeNames: []sqstypes.QueueAttributeName{"All"}})
	if err != nil {
		t.Fatal(err)
	}
	if n := queue.Attributes["ApproximateNumberOfMessages"]; n != "0" {
		t.Errorf("%s messages are left", n)
	}
}

// pngOf is a PNG whose header says width x height, with few bytes behind it.
func pngOf(width, height uint32) []byte {
	var b bytes.Buffer
	b.WriteString("\x89PNG\r\n\x1a\n")
	header := binary.BigEndian.AppendUint32(nil, width)
	header = binary.BigEndian.AppendUint32(header, height)
	chunk(&b, "IHDR", append(header, 8, 0, 0, 0, 0))
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	w.Write(make([]byte, 4096))
	w.Close()
	chunk(&b, "IDAT", z.Bytes())
	chunk(&b, "IEND", nil)
	return b.Bytes()
}

func chunk(b *bytes.Buffer, name string, data []byte) {
	binary.Write(b, binary.BigEndian, uint32(len(data)))
	body := append([]byte(name), data...)
	b.Write(body)
	binary.Write(b, binary.BigEndian, crc32.ChecksumIEEE(body))
}

func animation(t *testing.T, frames int) []byte {
	t.Helper()
	g := &gif.GIF{}
	for range frames {
		g.Image = append(g.Image, image.NewPaletted(image.Rect(0, 0, 20, 20), color.Palette{color.Black, color.White}))
		g.Delay = append(g.Delay, 1)
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, g); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// animatedPNG has frames of 20 x 20 pixels each.
func animatedPNG(frames int) []byte {
	var b bytes.Buffer
	b.WriteString("\x89PNG\r\n\x1a\n")
	side := binary.BigEndian.AppendUint32(nil, 20)
	chunk(&b, "IHDR", slices.Concat(side, side, []byte{8, 0, 0, 0, 0}))
	chunk(&b, "acTL", binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(frames)), 0))
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	w.Write(make([]byte, 20*21))
	w.Close()
	sequence := uint32(0)
	next := func() []byte {
		sequence++
		return binary.BigEndian.AppendUint32(nil, sequence-1)
	}
	for i := range frames {
		chunk(&b, "fcTL", slices.Concat(next(), side, side, make([]byte, 8), []byte{0, 1, 0, 10, 0, 0}))
		if i == 0 {
			chunk(&b, "IDAT", z.Bytes())
		} else {
			chunk(&b, "fdAT", append(next(), z.Bytes()...))
		}
	}
	chunk(&b, "IEND", nil)
	return b.Bytes()
}

// animatedWebP has frames of 20 x 20 pixels each.
func animatedWebP(frames int) []byte {
	block := func(kind string, data ...byte) []byte {
		b := binary.LittleEndian.AppendUint32([]byte(kind), uint32(len(data)))
		return append(append(b, data...), make([]byte, len(data)%2)...)
	}
	body := slices.Concat([]byte("WEBP"), block("VP8X", 2, 0, 0, 0, 19, 0, 0, 19, 0, 0), block("ANIM", make([]byte, 6)...))
	for range frames {
		picture := block("VP8L", 0x2f, 19, 19<<6&0xff, 19>>2, 0, 0)
		body = append(body, block("ANMF", append([]byte{0, 0, 0, 0, 0, 0, 19, 0, 0, 19, 0, 0, 100, 0, 0, 0}, picture...)...)...)
	}
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body))), body...)
}

func small(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 5, 4))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func manyDirectories(n int) []byte {
	b := []byte("II*\x00\x08\x00\x00\x00")
	entry := func(tag, kind uint16, value uint32) {
		b = binary.LittleEndian.AppendUint16(b, tag)
		b = binary.LittleEndian.AppendUint16(b, kind)
		b = binary.LittleEndian.AppendUint32(b, 1)
		b = binary.LittleEndian.AppendUint32(b, value)
	}
	for range n {
		b = binary.LittleEndian.AppendUint16(b, 2)
		entry(256, 4, 10)
		entry(257, 4, 10)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(b)+4))
	}
	return b
}

// TestHostileImages submits what is not an image, or one that must not be taken, both as a
// form's file and bare. Each gets a clear refusal and leaves nothing.
func TestHostileImages(t *testing.T) {
	t.Parallel()
	svg := `<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`
	tests := map[string]struct {
		body []byte
		want int
	}{
		"empty part":                           {nil, 400},
		"one byte":                             {[]byte{0xff}, 415},
		"text named jpg":                       {[]byte("this is a picture, honestly"), 415},
		"HTML labelled image/png":              {[]byte("<!DOCTYPE html><script>alert(1)</script>"), 415},
		"SVG with a script labelled image/png": {[]byte(svg), 415},
		"XML and then SVG":                     {[]byte(`<?xml version="1.0"?>` + svg), 415},
		"PDF":                                  {[]byte("%PDF-1.7\n1 0 obj\n"), 415},
		"ZIP":                                  {[]byte("PK\x03\x04\x14\x00\x00\x00"), 415},
		"JPEG behind a script":                 {append([]byte("<script>/*"), rainier(t)...), 415},
		"the first bytes of a JPEG":            {rainier(t)[:20], 415},
		"a PNG of 50,000 x 50,000":             {pngOf(50_000, 50_000), 413},
		"a PNG of 4,294,967,295 pixels' width": {pngOf(1<<32-1, 1), 415},
		"a PNG without size":                   {pngOf(0, 0), 415},
		"a GIF of 30 frames":                   {animation(t, 30), 413},
		"an animated PNG of 30 frames":         {animatedPNG(30), 413},
		"an animated WebP of 30 frames":        {animatedWebP(30), 413},
		"a TIFF with a million directories":    {manyDirectories(1_000_000), 413},
		"more bytes than allowed":              {append(small(t), make([]byte, 64<<20)...), 413},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// 30 frames of 20 x 20 pixels exceed it together, none does alone.
			s := apptest.Start(t, "MAX_IMAGE_PIXELS=10000", "MAX_IMAGE_BYTES=40MiB")
			bare := apptest.Do(t, http.MethodPost, s.URL+"/jobs", bytes.NewReader(tt.body), "Content-Type", "image/png")
			for kind, a := range map[string]apptest.Answer{"form": s.Submit(t, tt.body), "bare": bare} {
				problem := a.JSON(t)
				if a.StatusCode != tt.want || problem["status"] != float64(tt.want) || problem["detail"] == "" || a.Header.Get("Content-Type") != "application/problem+json" {
					t.Errorf("%s: %s: %s", kind, a.Status, a.Bytes)
				}
				if problem["job_id"] != nil || a.Header.Get("Location") != "" {
					t.Errorf("%s: the answer names a job: %s", kind, a.Bytes)
				}
			}
			wantNothing(t, s)
		})
	}
}

// TestDamagedImages submits images that may be accepted or refused, but end.
func TestDamagedImages(t *testing.T) {
	t.Parallel()
	photo := rainier(t)
	gifLike := append([]byte("GIF89a"), []byte(`=1;/*`+strings.Repeat("x", 100)+`*/;alert(1)`)...)
	tests := map[string][]byte{
		"JPEG cut off in the middle": photo[:len(photo)/2],
		"JPEG of nothing but header": photo[:2000],
		"JPEG with a script behind":  append(bytes.Clone(photo), "<script>alert(1)</script>"...),
		"GIF that is a script":       gifLike,
		"PNG with too little data":   pngOf(90, 90),
		"JPEG with flipped bits":     flipped(photo),
		"BMP with false sizes":       append([]byte("BM\xff\xff\xff\x7f\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00\x40\x00\x00\x00\x40\x00\x00\x00\x01\x00\x18\x00"), make([]byte, 30)...),
	}
	for name, body := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := apptest.Start(t)
			s.StartWorker(t)
			a := s.Submit(t, body)
			switch a.StatusCode {
			case http.StatusAccepted:
				end := apptest.Await(t, a.Header.Get("Location"))
				if st := end.JSON(t); st["status"] == "failed" && st["message"] == nil {
					t.Errorf("it failed without a message: %s", end.Bytes)
				}
			case http.StatusUnsupportedMediaType, http.StatusRequestEntityTooLarge:
				wantNothing(t, s)
			default:
				t.Errorf("%s: %s", a.Status, a.Bytes)
			}
		})
	}
}

func flipped(b []byte) []byte {
	c := bytes.Clone(b)
	for i := 3000; i < len(c); i += 701 {
		c[i] ^= 0x55
	}
	return c
}

// TestHostileForms sends forms that are none, or not ours.
func TestHostileForms(t *testing.T) {
	t.Parallel()
	const boundary = "frontier"
	file := func(name string, body []byte) string {
		return "--" + boundary + "\r\nContent-Disposition: form-data; name=\"" + name + "\"; filename=\"x.png\"\r\nContent-Type: image/png\r\n\r\n" + string(body) + "\r\n"
	}
	field := func(name, value string) string {
		return "--" + boundary + "\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n"
	}
	const end = "--" + boundary + "--\r\n"
	img := small(t)
	tests := map[string]struct {
		body string
		want int
	}{
		"never closed":                  {file("image", img), 400},
		"closed inside of the image":    {file("image", img)[:120], 400},
		"no parts":                      {end, 400},
		"nothing of a form":             {"hello", 400},
		"no image":                      {field("params", "{}") + end, 400},
		"image under another name":      {file("picture", img) + end, 400},
		"two images":                    {file("image", img) + file("image", img) + end, 400},
		"params twice":                  {field("params", "{}") + file("image", img) + field("params", "{}") + end, 400},
		"params before, malformed":      {field("params", "{") + file("image", img) + end, 400},
		"params after, malformed":       {file("image", img) + field("params", "[1]") + end, 400},
		"params of an unknown key":      {file("image", img) + field("params", `{"hight":1}`) + end, 400},
		"params too long":               {file("image", img) + field("params", `{"x":"`+strings.Repeat("x", 17<<10)+`"}`) + end, 400},
		"10,000 fields":                 {strings.Repeat(field("x", "1"), 10_000) + file("image", img) + end, 400},
		"10,000 fields after the image": {file("image", img) + strings.Repeat(field("x", "1"), 10_000) + end, 400},
		"a megabyte in another field":   {field("x", strings.Repeat("x", 1<<20)) + file("image", img) + end, 400},
		"a megabyte behind the end":     {file("image", img) + end + strings.Repeat("x", 1<<20), 400},
		"a part without a name":         {"--" + boundary + "\r\n\r\nx\r\n" + file("image", img) + end, 400},
		"headers of a megabyte":         {strings.Replace(file("image", img), "\r\n\r\n", "\r\nX: "+strings.Repeat("x", 1<<20)+"\r\n\r\n", 1) + end, 400},
		"image last in the form":        {field("params", `{"width":2}`) + field("csrf", "1") + file("image", img) + end, 202},
		"image first in the form":       {file("image", img) + field("params", `{"width":2}`) + end, 202},
		"a path for a name":             {strings.Replace(file("image", img), "x.png", "../../../etc/passwd", 1) + end, 202},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := apptest.Start(t)
			a := apptest.Do(t, http.MethodPost, s.URL+"/jobs", strings.NewReader(tt.body), "Content-Type", "multipart/form-data; boundary="+boundary)
			if a.StatusCode != tt.want {
				t.Fatalf("%s: %s", a.Status, a.Bytes)
			}
			if tt.want == 202 {
				return
			}
			if a.JSON(t)["detail"] == "" {
				t.Errorf("no detail: %s", a.Bytes)
			}
			wantNothing(t, s)
		})
	}
}

func TestHostileHeaders(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	z.Write(small(t))
	z.Close()
	ct, form := apptest.Form(t, small(t))
	tests := map[string]struct {
		body   []byte
		header []string
		want   int
	}{
		"gzip'ed body":             {zipped.Bytes(), []string{"Content-Type", "image/png", "Content-Encoding", "gzip"}, 415},
		"gzip'ed body, unlabelled": {zipped.Bytes(), []string{"Content-Type", "image/png"}, 415},
		"form without a boundary":  {form, []string{"Content-Type", "multipart/form-data"}, 400},
		"another boundary":         {form, []string{"Content-Type", "multipart/form-data; boundary=x"}, 400},
		"boundary of 1,000 bytes":  {form, []string{"Content-Type", "multipart/form-data; boundary=" + strings.Repeat("x", 1000)}, 400},
		"malformed type":           {form, []string{"Content-Type", "multipart/form-data; boundary"}, 400},
		"a form of another kind":   {form, []string{"Content-Type", "multipart/mixed; " + strings.TrimPrefix(ct, "multipart/form-data; ")}, 415},
		"urlencoded":               {[]byte("image=x"), []string{"Content-Type", "application/x-www-form-urlencoded"}, 415},
		"empty key":                {form, []string{"Content-Type", ct, "Idempotency-Key", ""}, 400},
		"key of 256 characters":    {form, []string{"Content-Type", ct, "Idempotency-Key", strings.Repeat("k", 256)}, 400},
		"announcement of nothing":  {[]byte("{}"), []string{"Content-Type", "application/json"}, 400},
		"announcement, malformed":  {[]byte(`{"content_type":`), []string{"Content-Type", "application/json"}, 400},
		"announcement, unknown":    {[]byte(`{"content_type":"image/png","size_bytes":1,"x":1}`), []string{"Content-Type", "application/json"}, 400},
		"announcement, twice":      {[]byte(`{"content_type":"image/png","size_bytes":1}{}`), []string{"Content-Type", "application/json"}, 400},
		"announcement, negative":   {[]byte(`{"content_type":"image/png","size_bytes":-1}`), []string{"Content-Type", "application/json"}, 400},
		"announcement, too large":  {[]byte(`{"content_type":"image/png","size_bytes":99999999999}`), []string{"Content-Type", "application/json"}, 413},
		"announcement of text":     {[]byte(`{"content_type":"text/html","size_bytes":9}`), []string{"Content-Type", "application/json"}, 415},
		"announcement, bad params": {[]byte(`{"content_type":"image/png","size_bytes":9,"params":{"hight":1}}`), []string{"Content-Type", "application/json"}, 400},
		"announcement of a half":   {[]byte(`{"content_type":"image/png","size_bytes":1.5}`), []string{"Content-Type", "application/json"}, 400},
		"announcement in a list":   {[]byte(`[]`), []string{"Content-Type", "application/json"}, 400},
		"announcement of a book":   {bytes.Repeat([]byte(" "), 1<<20), []string{"Content-Type", "application/json"}, 400},
		"empty body":               {nil, []string{"Content-Type", "image/png"}, 400},
	}
	for name, tt := range tests {
		a := apptest.Do(t, http.MethodPost, s.URL+"/jobs", bytes.NewReader(tt.body), tt.header...)
		if a.StatusCode != tt.want || a.JSON(t)["detail"] == "" || bytes.Contains(a.Bytes, []byte("Go ")) {
			t.Errorf("%s: %s: %s", name, a.Status, a.Bytes)
		}
	}
	for name, values := range map[string][]string{"Content-Type": {"image/png", "text/html"}, "Content-Encoding": {"identity", "gzip"}} {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/jobs", bytes.NewReader(small(t)))
		req.RequestURI = ""
		req.Header[name] = values
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 400 && resp.StatusCode != 415 {
			t.Errorf("%s twice: %s", name, resp.Status)
		}
	}
	for _, query := range []string{"?params={", "?params=[]", "?params={}&params={}", "?params=%zz", `?params={"hight":1}`} {
		a := apptest.Do(t, http.MethodPost, s.URL+"/jobs"+query, bytes.NewReader(small(t)), "Content-Type", "image/png")
		if a.StatusCode != 400 {
			t.Errorf("%s: %s: %s", query, a.Status, a.Bytes)
		}
	}
	wantNothing(t, s)
}

// TestHostileConnections talks to the server below HTTP's rules.
func TestHostileConnections(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, "IDLE_TIMEOUT=3s")
	address := strings.TrimPrefix(s.URL, "http://")
	talk := func(t *testing.T, request string, body io.Reader) string {
		t.Helper()
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(2 * time.Minute))
		go func() {
			io.WriteString(c, request)
			if body != nil {
				io.Copy(c, body)
				c.(*net.TCPConn).CloseWrite()
			}
		}()
		answer, _ := io.ReadAll(c)
		line, _, _ := strings.Cut(string(answer), "\r\n")
		return line
	}
	head := "POST /jobs HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nConnection: close\r\n"
	img := string(small(t))
	t.Run("fewer bytes than announced", func(t *testing.T) {
		got := talk(t, head+fmt.Sprintf("Content-Length: %d\r\n\r\n", len(img)+100), strings.NewReader(img))
		if !strings.Contains(got, " 400 ") {
			t.Errorf("answer is %q", got)
		}
	})
	t.Run("nothing more comes", func(t *testing.T) {
		if got := talk(t, head+fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(img)+100, img), nil); !strings.Contains(got, " 408 ") {
			t.Errorf("answer is %q", got)
		}
	})
	t.Run("nothing more comes on a connection that is kept", func(t *testing.T) {
		kept := strings.Replace(head, "Connection: close\r\n", "", 1)
		if got := talk(t, kept+fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(img)+100, img), nil); !strings.Contains(got, " 408 ") {
			t.Errorf("answer is %q", got)
		}
	})
	t.Run("chunks that are none", func(t *testing.T) {
		if got := talk(t, head+"Transfer-Encoding: chunked\r\n\r\nhello\r\n", nil); !strings.Contains(got, " 400 ") {
			t.Errorf("answer is %q", got)
		}
	})
	t.Run("a header of two megabytes", func(t *testing.T) {
		if got := talk(t, "GET /health HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("x", 2<<20)+"\r\n\r\n", nil); !strings.Contains(got, " 431 ") {
			t.Errorf("answer is %q", got)
		}
	})
	wantNothing(t, s)
}

// TestClientsThatLeave break off in the middle of a small and of a large upload.
func TestClientsThatLeave(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	for _, size := range []int{1000, 12 << 20} {
		c, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(c, "POST /jobs HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n", 2*size)
		if _, err := c.Write(append(small(t), make([]byte, size)...)); err != nil {
			t.Fatal(err)
		}
		if size > 5<<20 {
			awaitCall(t, s, "S3 UploadPart")
		}
		c.Close()
	}
	awaitCall(t, s, "S3 AbortMultipartUpload")
	awaitNothing(t, s)
}

func TestInvalidJobIDs(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	id := s.Submit(t, small(t)).JSON(t)["job_id"].(string)
	for _, name := range []string{
		strings.ToUpper(id), "{" + id + "}", "urn:uuid:" + id, strings.ReplaceAll(id, "-", ""), id + "%00", id + "%2f", "%2e%2e%2f" + id,
		"..%2f..%2fetc%2fpasswd", "%252e%252e", "jobs%2F" + id, id + "x", "x", "%20", "00000000-0000-0000-0000-000000000000",
	} {
		for _, suffix := range []string{"", "/output"} {
			if a := apptest.Get(t, s.URL+"/jobs/"+name+suffix); a.StatusCode != 404 || a.JSON(t)["detail"] == "" {
				t.Errorf("%s: %s: %s", name+suffix, a.Status, a.Bytes)
			}
		}
	}
}

func rainier(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile(awstest.Path("../imageinfo/testdata/rainier.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jpeg.DecodeConfig(bytes.NewReader(b)); err != nil {
		t.Fatal(err)
	}
	return b
}
