package browser

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"testing"
	"time"

	"claimcheck.example/internal/app/apptest"
)

// TestManyAsAGrid submits a dozen images: they are small tiles, and one zip has all results.
func TestManyAsAGrid(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	s.StartWorker(t)
	b := open(t, s.URL, look{})
	var paths []string
	for i := range 12 {
		paths = append(paths, file(t, []string{"same.png", fmt.Sprintf("photograph number %d.png", i)}[min(i/2, 1)], picture(t, uint64(i), 400+i, 300, false)))
	}
	b.choose(paths...)
	b.until(`[...document.querySelectorAll(".card")].filter((c) => c.dataset.state === "completed").length === 12`)
	b.until(`document.querySelector("#count").textContent === "12 shown" && document.querySelector("#save-all").innerText === "Download all 12"`)
	tops := eval[[]float64](b, `[...document.querySelectorAll(".card")].slice(0, 3).map((c) => c.getBoundingClientRect().top)`)
	if tops[0] != tops[1] || tops[1] != tops[2] {
		t.Errorf("the first three cards begin at %v", tops)
	}
	b.shown("photograph number 5.png", ".after")
	b.screenshot("twelve")
	b.look(look{width: 360, height: 740, dark: true})
	b.screenshot("twelve-phone")
	if wide := eval[int](b, "document.documentElement.scrollWidth - innerWidth"); wide > 0 {
		t.Errorf("the page is %d pixels wider than its window", wide)
	}
	b.look(look{})

	folder := b.downloads()
	eval[any](b, `document.querySelector("#save-all").click()`)
	var archive *zip.Reader
	b.downloaded(filepath.Join(folder, time.Now().UTC().Format("claimcheck-2006-01-02.zip")), func(got []byte) (err error) {
		archive, err = zip.NewReader(bytes.NewReader(got), int64(len(got)))
		return err
	})
	names := map[string]bool{}
	for _, f := range archive.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r) // which compares the checksum
		if err != nil || len(content) == 0 {
			t.Errorf("%s has %d bytes: %v", f.Name, len(content), err)
		}
		names[f.Name] = true
	}
	if len(names) != 12 || !names["same-processed.png"] || !names["same-processed (2).png"] || !names["photograph number 11-processed.png"] {
		t.Errorf("the zip has %v", names)
	}
}
