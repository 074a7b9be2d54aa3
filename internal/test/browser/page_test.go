package browser

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"claimcheck.example/internal/app/apptest"
	"claimcheck.example/internal/awslocal/awstest"
	"claimcheck.example/internal/test/program"
)

// rainier is a photograph of 1600 × 1200 pixels with an EXIF orientation.
func rainier() string { return awstest.Module("internal/imageinfo/testdata/rainier.jpg") }

// file writes a file of that name.
func file(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// picture is a PNG with one colour for each seed. It is small, or noise of about 3 bytes a
// pixel.
func picture(t *testing.T, seed uint64, width, height int, noise bool) []byte {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	one := color.NRGBA{uint8(r.Uint32()), uint8(r.Uint32()), uint8(r.Uint32()), 255}
	img := image.NewNRGBA(image.Rect(0, 0, width, height))
	for i := range width * height {
		if noise {
			one = color.NRGBA{uint8(r.Uint32()), uint8(r.Uint32()), uint8(r.Uint32()), 255}
		}
		img.SetNRGBA(i%width, i/width, one)
	}
	var buf bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&buf, img); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// id is the job id that a card shows.
func (b *tab) id(name string) string {
	b.t.Helper()
	id := b.text(name, ".stub code")
	if id == "" {
		b.t.Fatalf("the card of %s shows no job id", name)
	}
	return id
}

// shown waits until a card shows an image on one side, and returns its size in pixels.
func (b *tab) shown(name, side string) (size string) {
	b.t.Helper()
	eval[chromedp.Void](b, "("+card(name)+")?.scrollIntoView()") // pictures are loaded when they come into sight
	img := card(name) + "?.querySelector('" + side + " img')"
	b.until("(" + img + ")?.complete && " + img + ".naturalWidth > 0")
	return eval[string](b, "`${"+img+".naturalWidth}×${"+img+".naturalHeight}`")
}

// cards lists the names of the cards from top to bottom.
func (b *tab) cards() []string {
	b.t.Helper()
	return eval[[]string](b, `[...document.querySelectorAll(".card h3")].map((h) => h.textContent)`)
}

func TestChooseAnImageAndSeeItFinish(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	b := open(t, s.URL, look{})
	b.screenshot("empty")
	b.choose(rainier())
	b.state("rainier.jpg", "pending")
	b.shown("rainier.jpg", ".before")
	b.screenshot("pending")
	s.StartWorker(t)
	b.state("rainier.jpg", "completed")
	if got := b.shown("rainier.jpg", ".after"); got != "768×1024" { // upright, and fitted
		t.Errorf("the result is shown as %s", got)
	}
	for side, want := range map[string][]string{".before": {"Before", "JPEG", "1600 × 1200", "226 kB"}, ".after": {"After", "JPEG", "768 × 1024"}} {
		caption := strings.ReplaceAll(b.text("rainier.jpg", side+" figcaption"), "\u00a0", " ")
		for _, w := range want {
			if !strings.Contains(caption, w) {
				t.Errorf("the caption %s is %q; it lacks %q", side, caption, w)
			}
		}
	}
	if got := eval[string](b, `document.querySelector("#news").textContent`); got != "rainier.jpg: Completed" {
		t.Errorf("a screen reader reads %q", got)
	}
	b.screenshot("completed")

	folder := b.downloads()
	b.press("rainier.jpg", ".download")
	output := apptest.Get(t, s.URL+"/jobs/"+b.id("rainier.jpg")+"/output")
	b.downloaded(filepath.Join(folder, "rainier-processed.jpg"), func(got []byte) error {
		if !bytes.Equal(got, output.Bytes) {
			return fmt.Errorf("it is not the output's %d bytes", len(output.Bytes))
		}
		return nil
	})

	eval[any](b, card("rainier.jpg")+`.querySelector(".after .picture").focus()`)
	b.press("rainier.jpg", ".after .picture")
	b.until(`document.querySelector("#large").open && document.querySelector("#large img").naturalWidth === 768`)
	b.named()
	b.screenshot("large")
	b.do(chromedp.KeyEvent(kb.Escape))
	b.until(`!document.querySelector("#large").open && document.activeElement.matches(".after .picture")`)
}

func TestSeveralAtOnceReloadAndDelete(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	s.StartWorker(t)
	b := open(t, s.URL, look{})
	names := []string{"a.png", "b.png", "c & <d>.png"}
	var paths []string
	for i, name := range names {
		paths = append(paths, file(t, name, picture(t, uint64(i), 40+i, 30, false)))
	}
	b.choose(paths...)
	ids := map[string]string{}
	for i, name := range names {
		b.state(name, "completed")
		if got, want := b.shown(name, ".after"), fmt.Sprintf("%d×30", 40+i); got != want {
			t.Errorf("%s came back as %s, want %s", name, got, want)
		}
		ids[name] = b.id(name)
	}
	if got := b.cards(); !slices.Equal(got, names) {
		t.Errorf("the list is %q, chosen were %q", got, names)
	}
	b.do(chromedp.Reload())
	for i, name := range names {
		b.state(name, "completed")
		if got, want := b.shown(name, ".after"), fmt.Sprintf("%d×30", 40+i); got != want || b.id(name) != ids[name] {
			t.Errorf("after a reload %s is job %s of %s", name, b.id(name), got)
		}
	}
	if got := slices.Sorted(slices.Values(b.cards())); !slices.Equal(got, names) {
		t.Errorf("after a reload the list is %q, it was %q", got, names)
	}
	b.screenshot("reloaded")

	eval[chromedp.Void](b, `(() => { // undone at once
		const card = `+card("b.png")+`;
		card.querySelector(".delete").click();
		card.querySelector(".undo").click();
	})()`)
	b.state("b.png", "completed")
	if got := eval[string](b, `document.activeElement.className`); got != "delete" {
		t.Errorf("after an undone deletion the focus is on %q", got)
	}
	b.press("b.png", ".delete")
	b.until(`document.querySelectorAll(".card").length === 2`)
	if a := apptest.Get(t, s.URL+"/jobs/"+ids["b.png"]); a.StatusCode != http.StatusNotFound {
		t.Errorf("the job that was deleted answers %s", a.Status)
	}
	if got := eval[string](b, `document.activeElement.className`); got != "delete" {
		t.Errorf("after a deletion the focus is on %q", got)
	}
	// A job that another client deletes disappears from the list.
	apptest.Do(t, http.MethodDelete, s.URL+"/jobs/"+ids["a.png"], nil)
	b.do(chromedp.Reload())
	b.state(names[2], "completed")
	if got := b.cards(); !slices.Equal(got, names[2:]) {
		t.Errorf("the list is %q", got)
	}
}

// TestRefusals checks that the page shows the sentences of problem documents verbatim.
func TestRefusals(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, "MAX_IMAGE_BYTES=1MiB")
	b := open(t, s.URL, look{})
	fake, large := []byte("no picture at all"), make([]byte, 24<<20)
	copy(large, picture(t, 1, 2, 2, false))
	good := picture(t, 1, 20, 10, false)
	detail := func(image []byte, fields ...string) string {
		t.Helper()
		d := s.Submit(t, image, fields...).JSON(t)["detail"].(string)
		d = strings.ReplaceAll(d, "the body", "the file")
		return strings.ToUpper(d[:1]) + strings.TrimSuffix(d[1:], ".") + "."
	}
	b.expect(400, 413, 415)
	b.choose(file(t, "holiday.jpg", fake), file(t, "large.png", large), file(t, "empty.png", nil))
	b.state("empty.png", "refused")
	b.press("empty.png", ".delete")
	b.state("holiday.jpg", "refused")
	b.state("large.png", "refused")
	eval[chromedp.Void](b, `document.querySelector("#raw").open = true`)
	b.json(`{"ops": [{"blur": 90}]}`)
	b.choose(file(t, "params.png", good))
	b.state("params.png", "refused")
	for name, want := range map[string]string{
		"holiday.jpg": detail(fake), "large.png": "The image has more than 1048576 bytes, the maximum of this service.", "params.png": detail(good, "params", `{"ops": [{"blur": 90}]}`),
	} {
		if got := b.text(name, ".what"); got != want {
			t.Errorf("%s: it says %q, the service says %q", name, got, want)
		}
		if b.text(name, ".next") == "" {
			t.Errorf("%s: it does not say what to do", name)
		}
		if got := b.text(name, ".delete"); !strings.HasPrefix(got, "Dismiss") {
			t.Errorf("%s: what was never accepted can be %q", name, got)
		}
	}
	b.screenshot("refused")

	// The same file can be submitted again with correct params.
	s.StartWorker(t)
	b.json(`{"ops": [{"blur": 9}]}`)
	b.press("params.png", ".again")
	b.state("params.png", "completed")

	// Wrong JSON and wrong fields never leave the page.
	b.json(`{"width":`)
	b.choose(file(t, "more.png", good))
	b.until(`document.querySelector("#params-why").textContent.startsWith("It is not JSON") && document.activeElement.id === "params"`)
	b.json("")
	b.field("width", "0")
	b.choose(file(t, "more.png", good))
	b.until(`document.activeElement.id === "param-width"`)
	if n := len(b.cards()); n != 3 {
		t.Errorf("%d cards, want 3", n)
	}
}

// TestABackendFails retries after a temporary failure by a button, which creates one job.
func TestABackendFails(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	s.StartWorker(t)
	b := open(t, s.URL, look{})
	b.expect(500)
	s.Backend.Fail(func(r apptest.Request) apptest.Fault {
		if r.SQS && r.Method == "SendMessage" {
			return apptest.Refuse
		}
		return apptest.Pass
	})
	b.choose(file(t, "a.png", picture(t, 1, 20, 10, false)))
	b.until("!(" + card("a.png") + ")?.querySelector('.again').hidden")
	if got := b.text("a.png", ".next"); !strings.Contains(got, "The operator finds it in the log as request ") {
		t.Errorf("it says %q", got)
	}
	b.screenshot("failing")
	s.Backend.Fail(nil)
	b.press("a.png", ".again")
	b.state("a.png", "completed")
	if n := jobs(t, s); n != 1 {
		t.Errorf("one image has become %d jobs", n)
	}
}

func TestProgressAndFailure(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, "PROCESSOR=exec:sh -c 'cat >/dev/null; echo no such film >&2; exit 65'")
	b := open(t, s.URL, look{})
	b.choose(file(t, "a.png", picture(t, 1, 20, 10, false)))
	b.state("a.png", "pending")
	// The document of a slow worker.
	key := "jobs/" + b.id("a.png")
	pending := object(t, s, key)
	processing := strings.Replace(pending, `"status":"pending"`, fmt.Sprintf(`"status":"processing","worker":"w","attempts":1,"lease_until":%q,"progress":{"fraction":0.4,"note":"sharpen"}`,
		time.Now().Add(time.Minute).UTC().Format(time.RFC3339)), 1)
	put(t, s, key, strings.Replace(processing, `"attempts":0,`, "", 1))
	b.state("a.png", "processing")
	b.until("(" + card("a.png") + ").querySelector('progress').value === 0.4")
	if got := b.text("a.png", ".progress span"); got != "sharpen, 40 %" {
		t.Errorf("the progress is shown as %q", got)
	}
	if names := b.named(); !slices.Contains(names, "progressbar Processing of a.png") {
		t.Errorf("the progress bar has no name: %q", names)
	}
	b.screenshot("processing")
	put(t, s, key, pending)
	s.StartWorker(t)
	b.state("a.png", "failed")
	want, _ := apptest.Get(t, s.URL+"/jobs/"+b.id("a.png")).JSON(t)["message"].(string)
	if got := eval[string](b, `document.querySelector("#news").textContent`); !strings.Contains(strings.ToLower(got), strings.ToLower(strings.TrimSuffix(want, "."))) {
		t.Errorf("a screen reader reads %q, the status says %q", got, want)
	}
	if got := b.text("a.png", ".what"); want == "" || !strings.EqualFold(strings.TrimSuffix(got, "."), strings.TrimSuffix(want, ".")) {
		t.Errorf("it says %q, the status %q", got, want)
	}
	b.screenshot("failed-job")
}

func TestKeyboardOnly(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	s.StartWorker(t)
	b := open(t, s.URL, look{})
	dialog := make(chan *page.EventFileChooserOpened, 1)
	if err := chromedp.Listen(b.ctx, func(e any) {
		if e, ok := e.(*page.EventFileChooserOpened); ok {
			dialog <- e
		}
	}); err != nil {
		t.Fatal(err)
	}
	b.do(call(page.SetInterceptFileChooserDialog, page.SetInterceptFileChooserDialogParams{Enabled: true}))
	focus := func(selector string) {
		t.Helper()
		for range 24 {
			b.do(chromedp.KeyEvent(kb.Tab))
			if eval[bool](b, `document.activeElement.matches(%s)`, selector) {
				ring := eval[string](b, `getComputedStyle(document.activeElement.closest(".drop") ?? document.activeElement).outlineWidth`)
				if ring != "3px" {
					t.Errorf("%s shows its focus by a ring of %s", selector, ring)
				}
				return
			}
		}
		t.Fatalf("Tab does not come to %s", selector)
	}
	focus("#files")
	b.screenshot("focus")
	b.do(chromedp.KeyEvent(kb.Enter))
	select {
	case e := <-dialog:
		b.do(call(dom.SetFileInputFiles, dom.SetFileInputFilesParams{Files: []string{rainier()}, BackendNodeID: e.BackendNodeID}))
	case <-time.After(10 * time.Second):
		t.Fatal("Enter opens no file dialog")
	}
	b.state("rainier.jpg", "completed")
	focus(".download")
	b.screenshot("focus-download")
	focus(".menu summary")
	b.do(chromedp.KeyEvent(kb.Enter))
	focus(".python")
	b.screenshot("focus-menu")
	b.do(chromedp.KeyEvent(kb.Escape))
	b.until(`document.activeElement.matches("summary") && !document.querySelector(".menu[open]")`)
	focus(".delete")
	b.do(chromedp.KeyEvent(kb.Enter))
	b.until(`document.querySelectorAll(".card").length === 0 && document.activeElement.id === "files"`)
}

func TestDropAndPaste(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t)
	s.StartWorker(t)
	b := open(t, s.URL, look{})
	folder := t.TempDir()
	data := &input.DragData{Items: []*input.DragDataItem{}, Files: []string{rainier(), folder}, DragOperationsMask: 1}
	b.until(`!document.querySelector("#work").hidden`) // before that the page takes no drop
	for _, typ := range []input.DispatchDragEventType{input.DispatchDragEventTypeDragEnter, input.DispatchDragEventTypeDragOver} {
		b.do(call(input.DispatchDragEvent, input.DispatchDragEventParams{Type: typ, X: 640, Y: 700, Data: data}))
	}
	b.until(`document.body.matches(".dropping")`)
	b.screenshot("dropping")
	b.do(call(input.DispatchDragEvent, input.DispatchDragEventParams{Type: input.DispatchDragEventTypeDrop, X: 640, Y: 700, Data: data}))
	b.state("rainier.jpg", "completed")
	if got := eval[string](b, `document.querySelector("#drop-why").textContent`); len(b.cards()) != 1 || !strings.Contains(got, "folder") {
		t.Errorf("of a file and a folder come the cards %q; it says %q", b.cards(), got)
	}
	eval[chromedp.Void](b, `(async () => {
		const canvas = Object.assign(document.createElement("canvas"), { width: 50, height: 20 });
		const clipboardData = new DataTransfer();
		canvas.getContext("2d").fillRect(0, 0, 9, 9);
		clipboardData.items.add(new File([await new Promise((done) => canvas.toBlob(done))], "image.png", { type: "image/png" }));
		document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true }));
	})()`)
	b.state("image.png", "completed")
	if got := b.shown("image.png", ".after"); got != "50×20" {
		t.Errorf("what was pasted came back as %s", got)
	}
}

// TestCopyAsCurl runs the command that the button copies.
func TestCopyAsCurl(t *testing.T) {
	t.Parallel()
	program.Need(t, "curl")
	s := apptest.Start(t)
	s.StartWorker(t)
	b := open(t, s.URL, look{})
	for _, name := range []string{"clipboard-read", "clipboard-write"} {
		if _, err := chromedp.CallBrowser(b.ctx, browser.SetPermission, browser.SetPermissionParams{
			Permission: &browser.PermissionDescriptor{Name: name}, Setting: browser.PermissionSettingGranted,
			Origin: s.URL, BrowserContextID: chromedp.FromContext(b.ctx).BrowserContextID,
		}); err != nil {
			t.Fatal(err)
		}
	}
	const name = `it's "mine".png`
	path := file(t, name, picture(t, 1, 60, 30, false))
	eval[chromedp.Void](b, `document.querySelector("#raw").open = true`)
	b.field("width", "30")
	b.field("format", "GIF, 256 colours")
	b.choose(path)
	b.state(name, "completed")
	b.do(chromedp.Reload()) // the status has the params
	b.state(name, "completed")
	b.copyAs(name, ".curl")
	b.until("(" + card(name) + ").querySelector('.curl').innerText.startsWith('Copied')")
	commands := eval[string](b, "navigator.clipboard.readText()")
	cmd := exec.CommandContext(t.Context(), program.Need(t, "bash"), "-ec", commands)
	cmd.Dir = filepath.Dir(path)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v: %s", commands, err, out)
	}
	saved, err := filepath.Glob(filepath.Join(cmd.Dir, "*.gif"))
	if err != nil || len(saved) != 1 || strings.Contains(saved[0], b.id(name)) {
		t.Fatalf("the commands leave %q: %v", saved, err)
	}
	got, err := os.ReadFile(saved[0])
	if output := apptest.Get(t, s.URL+"/jobs/"+b.id(name)+"/output").Bytes; err != nil || !bytes.Equal(got, output) {
		t.Errorf("the commands fetch %d bytes, want those of the same work, %d: %v", len(got), len(output), err)
	}
}

// TestDirectUpload uploads an image that is too large for a submit to storage, if the bucket
// permits the page's origin. Otherwise the page names the missing setting.
func TestDirectUpload(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, "MAX_INLINE_BYTES=256KiB")
	s.StartWorker(t)
	b := open(t, s.URL, look{})
	b.expect(413, 403)
	b.expectLog("blocked by CORS policy", "net::ERR_FAILED")
	path := file(t, "noise.png", picture(t, 1, 700, 500, true))
	b.choose(path)
	b.until("!(" + card("noise.png") + ")?.querySelector('.again').hidden")
	if got := b.text("noise.png", ".next"); !strings.Contains(got, "CORS") {
		t.Errorf("without the bucket's leave it says %q", got)
	}
	if err := s.Servers.AllowUploads(t.Context(), s.Bucket, s.URL); err != nil {
		t.Fatal(err)
	}
	b.press("noise.png", ".again")
	b.state("noise.png", "completed")
	if got := b.shown("noise.png", ".after"); got != "700×500" {
		t.Errorf("it came back as %s", got)
	}
	if want, _ := os.ReadFile(path); imageOf(t, s, b.id("noise.png")) != string(want) {
		t.Error("what is stored is not what was chosen")
	}
}

// TestToken signs in by each header that the service can use for tokens.
func TestToken(t *testing.T) {
	t.Parallel()
	for _, header := range []string{"Authorization", "X-Jobs-Token"} {
		t.Run(header, func(t *testing.T) {
			t.Parallel()
			signIn(t, header)
		})
	}
}

func signIn(t *testing.T, header string) {
	p := apptest.StartProvider(t)
	s := apptest.Start(t, "OIDC_ISSUER="+p.URL, "OIDC_AUDIENCE=claimcheck", "AUTH_HEADER="+header)
	s.StartWorker(t)
	b := open(t, s.URL, look{})
	b.expect(401)
	b.until(`document.activeElement.id === "token" && !document.querySelector("#files").checkVisibility()`) // before anything is uploaded
	b.named()
	b.screenshot("token")
	b.write("no.token.atall")
	b.until(`document.activeElement.id === "token" && document.querySelector("#token-why").innerText !== ""`)
	b.screenshot("token-refused")
	b.write(p.Bearer("alice"))
	b.until(`document.querySelector("#files").checkVisibility()`)
	b.choose(rainier())
	b.state("rainier.jpg", "completed")
	if got := b.shown("rainier.jpg", ".after"); got != "768×1024" {
		t.Errorf("the result is shown as %s", got)
	}
	if kept := eval[string](b, "JSON.stringify({ ...localStorage })"); strings.Contains(kept, "ey") {
		t.Errorf("the token outlives its tab: %s", kept)
	}
	b.do(chromedp.Reload()) // the tab still knows who it is
	b.state("rainier.jpg", "completed")
	b.shown("rainier.jpg", ".after")

	eval[chromedp.Void](b, "navigator.clipboard.writeText = (text) => { window.copied = text }")
	b.copyAs("rainier.jpg", ".curl")
	b.until("window.copied")
	if got := eval[string](b, "window.copied"); strings.Count(got, `-H "`+header+`: Bearer $TOKEN"`) != 3 {
		t.Errorf("copied as curl: %s", got)
	}

	eval[chromedp.Void](b, `document.querySelector("#sign-out").click()`)
	b.until(`document.querySelector("#sign-in").checkVisibility()`)
	if eval[int](b, "sessionStorage.length") != 0 || eval[bool](b, `document.querySelector("#sign-out").checkVisibility()`) {
		t.Error("the token is not forgotten")
	}
	// The page does not show another owner's job.
	b.write(p.Token("bob"))
	b.until(`document.querySelector("#none").checkVisibility() && document.querySelectorAll(".card").length === 0`)
}

// TestLooks shows cards in many states, narrow and wide, light and dark: the page never scrolls
// sideways, all text has enough contrast (WCAG 2.2, 1.4.3), nothing moves if the user prefers
// reduced motion, and every control has a name.
func TestLooks(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, "MAX_IMAGE_BYTES=2MiB")
	s.StartWorker(t)
	const long = "a-very-long-name-without-any-space-that-could-be-broken-anywhere-at-all.jpg"
	fake := file(t, long, []byte("no picture at all"))
	b := open(t, s.URL, look{})
	b.expect(415)
	b.choose(rainier(), fake)
	b.state("rainier.jpg", "completed")
	b.state(long, "refused")
	b.shown("rainier.jpg", ".after")
	eval[chromedp.Void](b, `document.querySelector("#raw").open = true`)
	eval[chromedp.Void](b, `document.querySelector("#sign-in").hidden = false`)
	eval[chromedp.Void](b, card("rainier.jpg")+`.querySelector(".command").hidden = false`)
	b.named()
	for name, l := range map[string]look{
		"light": {}, "dark": {dark: true}, "narrow": {width: 320, height: 640}, "narrow-dark": {width: 320, height: 640, dark: true},
	} {
		b.look(l)
		b.screenshot(name)
		if wide := eval[int](b, "document.documentElement.scrollWidth - innerWidth"); wide > 0 {
			t.Errorf("%s: the page is %d pixels wider than its window", name, wide)
		}
		if faint := eval[[]string](b, contrast); len(faint) > 0 {
			t.Errorf("%s: hard to read: %s", name, strings.Join(faint, "; "))
		}
		if n := eval[int](b, "document.getAnimations().length"); n > 0 {
			t.Errorf("%s: %d things move for who wants less motion", name, n)
		}
		want := "rgb(246, 245, 241)"
		if l.dark {
			want = "rgb(21, 24, 27)"
		}
		if got := eval[string](b, "getComputedStyle(document.documentElement).backgroundColor"); got != want {
			t.Errorf("%s: the paper is %s", name, got)
		}
	}
}

// contrast lists the texts whose contrast with their background is below 4.5.
const contrast = `(() => {
	const parse = (c) => c.match(/[\d.]+/g).map(Number);
	const light = (c) => parse(c).slice(0, 3).map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
		.reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
	const ground = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if ((parse(c)[3] ?? 1) === 1) return c; } };
	const faint = [];
	for (const e of document.querySelectorAll("body *")) {
		if (!e.checkVisibility() || ![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) && !e.matches("textarea, input")) continue;
		const colour = getComputedStyle(e, e.matches(":placeholder-shown") ? "::placeholder" : null).color;
		const [a, b] = [light(colour), light(ground(e))].sort((a, b) => b - a);
		const ratio = (a + 0.05) / (b + 0.05);
		if (ratio < 4.5) faint.push(e.tagName + " " + (e.textContent || e.placeholder).trim().slice(0, 30) + " " + ratio.toFixed(2));
	}
	return faint;
})()`
