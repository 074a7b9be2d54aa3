package httpapi

import (
	"net/http"
	"regexp"
	"strconv"

	"claimcheck.example/internal/job"
	"claimcheck.example/internal/limiter"
)

// oneRange is a Range header of exactly one byte range (RFC 9110, 14.1.2). A server may ignore
// any other, and this one does: it sends the whole.
var oneRange = regexp.MustCompile(`^bytes=(\d+-\d*|-\d+)$`)

// output answers GET /jobs/{job_id}/output: two reads of storage, the document and the
// image, which it streams.
func (a *api) output(w http.ResponseWriter, r *request) error {
	id, err := job.ParseID(r.PathValue("job_id"))
	if err != nil {
		return err
	}
	var place *limiter.Lease
	if a.Outputs != nil {
		if place, err = a.Outputs.Acquire(r.Context(), r.who.Owner()); err != nil {
			return err
		}
		defer place.Release()
	}
	j, c, err := fetch(w, r.Request, func(choose func(*job.Job) job.OpenOptions) (*job.Job, *job.Content, error) {
		return a.Service.Output(r.Context(), r.who, id, choose)
	})
	if err != nil {
		if j != nil && !j.Status.Over() {
			w.Header().Set("Retry-After", seconds(a.pollHint(j)))
		}
		return &jobError{err, j}
	}
	a.writeOutput(w, r, j, c, place, shown{cache: "private, no-cache", pages: "same-origin"})
	return nil
}

// shown says how browsers may show an output.
type shown struct {
	cache    string // Cache-Control
	pages    string // of which origins may show it: Cross-Origin-Resource-Policy
	download bool   // as a file alone
}

// writeOutput answers with an output, or the requested part of it.
func (a *api) writeOutput(w http.ResponseWriter, r *request, j *job.Job, c *job.Content, place *limiter.Lease, how shown) {
	defer c.Body.Close()
	h := w.Header()
	h.Set("ETag", `"`+c.Tag+`"`)
	h.Set("Cache-Control", how.cache)
	h.Set("Accept-Ranges", "bytes")
	if c.NotModified {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	outputDigest(h, j.Output, c.Tag)
	h.Set("Content-Type", c.ContentType)
	h.Set("Content-Length", strconv.FormatInt(c.Size, 10))
	h.Set("Last-Modified", c.LastModified.UTC().Format(http.TimeFormat))
	// The result is untrusted: no browser may guess its type, run it or frame it, and none
	// may show it on a page of another origin, unless its owner has made a link.
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", how.pages)
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	disposition := "inline"
	if how.download {
		disposition = "attachment"
	}
	h.Set("Content-Disposition", disposition+`; filename="`+j.ID.String()+extensions[c.ContentType]+`"`)
	code := http.StatusOK
	if c.Range != "" {
		code = http.StatusPartialContent
		h.Set("Content-Range", c.Range)
	}
	w.WriteHeader(code)
	if r.Method != http.MethodHead {
		a.send(w, r, c, place)
	}
}

// conditions turns the request's range and preconditions into options for storage, by the
// description of the output in the job's document.
func conditions(r *http.Request, out *job.Media) (opts job.OpenOptions) {
	h := r.Header
	var etag string
	if out != nil && out.Tag != "" {
		etag = `"` + out.Tag + `"`
	}
	if rng := h.Get("Range"); r.Method == http.MethodGet && oneRange.MatchString(rng) {
		// If-Range needs a strong match, which a date is not.
		if cond := h.Get("If-Range"); cond == "" || cond == etag {
			opts.Range = rng
		}
	}
	first := h.Get("If-Match") != "" || h.Get("If-Unmodified-Since") != "" // which come before it
	if etag != "" && !first && matches(h.Values("If-None-Match"), etag) {
		opts.IfNoneMatch = out.Tag
	}
	return opts
}

// unsatisfiable answers 416 for a range outside the output.
func unsatisfiable(w http.ResponseWriter, err error, j *job.Job) error {
	if j.Output != nil {
		w.Header().Set("Content-Range", "bytes */"+strconv.FormatInt(j.Output.SizeBytes, 10))
	}
	return &statusError{err, http.StatusRequestedRangeNotSatisfiable, "range_not_satisfiable"}
}

// extensions are the file name extensions of common results.
var extensions = map[string]string{
	"image/jpeg": ".jpg", "image/png": ".png", "image/gif": ".gif", "image/webp": ".webp", "image/tiff": ".tiff",
	"image/bmp": ".bmp", "image/avif": ".avif", "image/heic": ".heic", "image/svg+xml": ".svg",
	"application/json": ".json", "application/pdf": ".pdf", "text/plain": ".txt",
}
