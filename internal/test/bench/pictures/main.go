// Command pictures measures a worker beside vipsthumbnail, by turns and
// on the same pictures, and prints a Markdown table of ratios:
//
//	go run ./internal/test/bench/pictures
//
// The worker is a process with the production's defaults and one job at a time; its engine's
// processes count as it does. S3, SQS and the server are processes of their own that do not
// count. Each picture is fitted into 1024 x 1024.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"claimcheck.example/internal/test/leftover"
	"claimcheck.example/internal/test/process"
)

func main() {
	process.RunBackend()
	rounds := flag.Int("rounds", 5, "how often each program gets each picture")
	root := flag.String("root", ".", "the module's folder")
	engine := flag.String("engine", "vips", "the worker's `IMAGING`; the goals are those of vips")
	photo := flag.String("photo", "internal/imageinfo/testdata/rainier.jpg", "what the pictures are made of")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *root, *photo, *engine, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "pictures:", err)
		os.Exit(1)
	}
}

// picture is one that both get.
type picture struct {
	name, file string
	across     string // pixels
	options    string // of libvips' encoder
	warm       int    // jobs before the first that counts
}

var pictures = []picture{
	{"JPEG 12 MP", "12.jpg", "3000", "[Q=88,strip]", 2},
	{"JPEG 48 MP", "48.jpg", "6000", "[Q=88,strip]", 1},
	{"PNG 12 MP", "12.png", "3000", "[strip]", 1},
	{"HEIC 12 MP", "12.heic", "3000", "[Q=50,effort=0,strip]", 1},
	{"WebP 12 MP", "12.webp", "3000", "[Q=80,effort=2,strip]", 1},
}

// figures are what one job took.
type figures struct {
	cpu, wall time.Duration
	peak      int64 // bytes
}

func run(ctx context.Context, root, photo, engine string, rounds int) error {
	dir, remove, err := leftover.Dir("claimcheck-pictures-")
	if err != nil {
		return err
	}
	defer remove()
	w, err := open(ctx, root, dir, engine)
	if err != nil {
		return err
	}
	defer w.close()
	fmt.Println("| picture | CPU, s | wall, s | peak memory, MiB | goals |\n|---|---|---|---|---|")
	for _, p := range pictures {
		if engine == "embedded" && strings.HasSuffix(p.file, ".heic") {
			continue
		}
		file := filepath.Join(dir, p.file)
		if out, err := exec.CommandContext(ctx, "vips", "thumbnail", photo, file+p.options, p.across, "--height", "10000", "--size", "both").CombinedOutput(); err != nil {
			return fmt.Errorf("make %s: %w: %s", p.file, err, out)
		}
		for range p.warm {
			if _, err := w.job(ctx, file); err != nil {
				return err
			}
		}
		var ours, theirs []figures
		for range rounds {
			a, err := w.job(ctx, file)
			if err != nil {
				return err
			}
			b, err := thumbnail(ctx, file, filepath.Join(dir, "out"+resultType(file)))
			if err != nil {
				return err
			}
			ours, theirs = append(ours, a), append(theirs, b)
		}
		fmt.Println(line(p, ours, theirs))
	}
	return nil
}

// resultType is what the worker makes of a picture.
func resultType(file string) string {
	if strings.HasSuffix(file, ".png") {
		return ".png"
	}
	return ".jpg"
}

// line is a row of the table: medians, and the median of the ratios.
func line(p picture, ours, theirs []figures) string {
	median := func(of []figures, get func(figures) float64) float64 {
		var all []float64
		for _, f := range of {
			all = append(all, get(f))
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	cell := func(get func(figures) float64) (string, float64) {
		a, b := median(ours, get), median(theirs, get)
		return fmt.Sprintf("%.2f : %.2f = %.2f", a, b, a/b), a / b
	}
	cpu, cpuRatio := cell(func(f figures) float64 { return f.cpu.Seconds() })
	wall, wallRatio := cell(func(f figures) float64 { return f.wall.Seconds() })
	peak, _ := cell(func(f figures) float64 { return float64(f.peak) / (1 << 20) })
	var missed []string
	if cpuRatio > 1.25 {
		missed = append(missed, fmt.Sprintf("CPU %.2f, not <= 1.25", cpuRatio))
	}
	if wallRatio > 1.5 {
		missed = append(missed, fmt.Sprintf("wall %.2f, not <= 1.5", wallRatio))
	}
	if most := median(ours, func(f figures) float64 { return float64(f.peak) / (1 << 20) }); p.name == "JPEG 48 MP" && most > 128 {
		missed = append(missed, fmt.Sprintf("memory %.0f MiB, not <= 128", most))
	}
	goals := "met"
	if missed != nil {
		goals = "**missed**: " + strings.Join(missed, "; ")
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s |", p.name, cpu, wall, peak, goals)
}

// thumbnail has vipsthumbnail make the same.
func thumbnail(ctx context.Context, file, out string) (figures, error) {
	cmd := exec.CommandContext(ctx, "vipsthumbnail", file, "--size", "1024x1024", "-o", out)
	begun := time.Now()
	if text, err := cmd.CombinedOutput(); err != nil {
		return figures{}, fmt.Errorf("vipsthumbnail: %w: %s", err, text)
	}
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return figures{
		cpu:  cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(),
		wall: time.Since(begun),
		peak: usage.Maxrss << 10,
	}, nil
}

// system is the service with one worker.
type system struct {
	backend        *process.Backend
	server, worker *process.Process
	url            string

	jobs      int           // so far
	processed time.Duration // what all of them took
}

func open(ctx context.Context, root, dir, engine string) (*system, error) {
	binaries, err := process.Source{Root: root, Tags: "vips", Cgo: true}.Build(ctx, nil, "server", "worker", "imaging")
	if err != nil {
		return nil, err
	}
	var ports [3]int
	for i := range ports {
		if ports[i], err = process.FreePort(); err != nil {
			return nil, err
		}
	}
	s := &system{url: fmt.Sprintf("http://127.0.0.1:%d", ports[2])}
	data := filepath.Join(dir, "backend")
	if err := os.Mkdir(data, 0o700); err != nil {
		return nil, err
	}
	if s.backend, err = process.StartBackend(ctx, data, ports[0], ports[1], nil); err != nil {
		return nil, err
	}
	server := append([]string{fmt.Sprintf("PORT=%d", ports[2]), "ALLOW_ANONYMOUS=true"}, s.backend.Env...)
	if s.server, err = binaries.Start("server", server); err == nil {
		s.worker, err = binaries.Start("worker", append([]string{"IMAGING=" + engine, "CONCURRENCY=1"}, s.backend.Env...))
	}
	if err == nil {
		err = s.server.Await(ctx, s.url+"/ready")
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *system) close() {
	for _, p := range []*process.Process{s.worker, s.server} {
		if p != nil {
			p.Kill()
		}
	}
	if s.backend != nil {
		s.backend.Kill()
	}
}

// job has the worker process a file and returns what the worker and its engine took.
func (s *system) job(ctx context.Context, file string) (figures, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return figures{}, err
	}
	if err := s.worker.ForgetPeaks(); err != nil {
		return figures{}, err
	}
	before, err := s.worker.FamilyCPU()
	if err != nil {
		return figures{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/jobs", bytes.NewReader(data))
	if err != nil {
		return figures{}, err
	}
	req.Header.Set("Content-Type", "application/octet-stream")
	req.Header.Set("Prefer", "wait=60")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return figures{}, err
	}
	defer resp.Body.Close()
	var job struct{ Status string }
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return figures{}, err
	}
	if err := json.Unmarshal(body, &job); err != nil || job.Status != "completed" {
		return figures{}, errors.New("the job has not completed: " + string(body) + s.worker.Output())
	}
	after, err := s.worker.FamilyCPU()
	if err != nil {
		return figures{}, err
	}
	peak, err := s.worker.FamilyPeak()
	if err != nil {
		return figures{}, err
	}
	wall, err := s.processing(ctx)
	return figures{cpu: after - before, wall: wall, peak: peak}, err
}

// processing is how long the last job took from its claim to its end, by its usage record.
func (s *system) processing(ctx context.Context) (time.Duration, error) {
	s.jobs++
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/usage", nil)
		if err != nil {
			return 0, err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, err
		}
		var usage struct {
			Total struct {
				Jobs    int
				Seconds float64 `json:"processing_seconds"`
			}
		}
		err = json.NewDecoder(resp.Body).Decode(&usage)
		resp.Body.Close()
		if err != nil {
			return 0, err
		}
		if usage.Total.Jobs == s.jobs {
			took := time.Duration(usage.Total.Seconds*float64(time.Second)) - s.processed
			s.processed += took
			return took, nil
		}
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		time.Sleep(10 * time.Millisecond) // it is written behind the job's end
	}
}
