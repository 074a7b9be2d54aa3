package browser

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/input"

	"claimcheck.example/internal/processor/imaging/imagingtest"
	"claimcheck.example/internal/processor/imaging/vips/vipstest"
)

// TestATelephonesHEICComesBackUpright drops a HEIC of several tiles with irot on the page: the
// result is upright, and its colours are in the right places.
func TestATelephonesHEICComesBackUpright(t *testing.T) {
	t.Parallel()
	bin := filepath.Dir(vipstest.Build(t))
	api, _, _, _ := startLocal(t, "IMAGING=vips", "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	b := open(t, api, look{})
	data := &input.DragData{
		Items: []*input.DragDataItem{}, DragOperationsMask: 1,
		Files: []string{file(t, "IMG_0001.HEIC", imagingtest.File(t, "heif", "telephone.heic"))},
	}
	b.until(`!document.querySelector("#work").hidden`) // before that the page takes no drop
	for _, typ := range []input.DispatchDragEventType{input.DispatchDragEventTypeDragEnter, input.DispatchDragEventTypeDragOver, input.DispatchDragEventTypeDrop} {
		b.do(call(input.DispatchDragEvent, input.DispatchDragEventParams{Type: typ, X: 640, Y: 700, Data: data}))
	}
	b.state("IMG_0001.HEIC", "completed")
	if got := b.shown("IMG_0001.HEIC", ".after"); got != "768×1024" {
		t.Errorf("the result is shown as %s, want 768×1024", got)
	}
	// Red grows to the right and green downwards.
	corners := eval[[][]int](b, `(() => {
		const img = `+card("IMG_0001.HEIC")+`.querySelector(".after img");
		const canvas = Object.assign(document.createElement("canvas"), { width: img.naturalWidth, height: img.naturalHeight });
		const c = canvas.getContext("2d", { willReadFrequently: true });
		c.drawImage(img, 0, 0);
		const [right, bottom] = [img.naturalWidth - 3, img.naturalHeight - 3];
		return [[2, 2], [right, 2], [2, bottom], [right, bottom]].map(([x, y]) => [...c.getImageData(x, y, 1, 1).data]);
	})()`)
	for i, want := range [][3]int{{0, 0, 60}, {255, 0, 60}, {0, 255, 60}, {255, 255, 60}} {
		for channel, v := range want {
			if got := corners[i][channel]; got < v-20 || got > v+20 {
				t.Errorf("corner %d is of %v, want %v", i, corners[i], want)
				break
			}
		}
	}
	b.screenshot("telephone")
}
