package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc/oidctest"

	"claimcheck.example/internal/test/process"
)

// harness is a running service with two owners, and an output that each of them has.
type harness struct {
	dir              string
	provider         *httptest.Server
	processes        []*process.Process
	address, url     string
	attacker, honest string // Authorization headers
	picture          []byte // a small PNG
	large            []byte // one of 8 MiB
	outputs          map[string]string
	client           *http.Client
}

func newHarness(ctx context.Context, root string) (_ *harness, err error) {
	s := &harness{outputs: map[string]string{}, client: &http.Client{Transport: &http.Transport{}}}
	defer func() {
		if err != nil {
			s.clear()
		}
	}()
	if s.dir, err = os.MkdirTemp("", "claimcheck-attack-"); err != nil {
		return nil, err
	}
	if root, err = filepath.Abs(root); err != nil {
		return nil, err
	}
	binaries, err := (process.Source{Root: root}).Build(ctx, nil, "server", "worker")
	if err != nil {
		return nil, err
	}
	var ports [3]int
	for i := range ports {
		if ports[i], err = process.FreePort(); err != nil {
			return nil, err
		}
	}
	backend, err := process.StartBackend(ctx, filepath.Join(s.dir, "data"), ports[0], ports[1], nil)
	if err != nil {
		return nil, err
	}
	s.processes = append(s.processes, backend.Process)
	if err := s.issue(); err != nil {
		return nil, err
	}
	s.address = "127.0.0.1:" + strconv.Itoa(ports[2])
	s.url = "http://" + s.address
	server, err := binaries.Start("server", append([]string{
		"PORT=" + strconv.Itoa(ports[2]), "OIDC_ISSUER=" + s.provider.URL, "OIDC_AUDIENCE=claimcheck", "LOG_LEVEL=error", "PROCESSOR=exec:cat",
	}, backend.Env...))
	if err != nil {
		return nil, err
	}
	s.processes = append(s.processes, server)
	if err := server.Await(ctx, s.url+"/health"); err != nil {
		return nil, err
	}
	worker, err := binaries.Start("worker", append([]string{"PROCESSOR=exec:cat", "LOG_LEVEL=error"}, backend.Env...))
	if err != nil {
		return nil, err
	}
	s.processes = append(s.processes, worker)
	return s, s.paint(ctx)
}

func (s *harness) clear() {
	for i := len(s.processes) - 1; i >= 0; i-- {
		s.processes[i].Kill()
	}
	if s.provider != nil {
		s.provider.Close()
	}
	s.client.CloseIdleConnections()
	os.RemoveAll(s.dir)
}

// issue starts a provider, and has it give both owners a token.
func (s *harness) issue() error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	p := &oidctest.Server{PublicKeys: []oidctest.PublicKey{{PublicKey: key.Public(), KeyID: "k1", Algorithm: "RS256"}}}
	s.provider = httptest.NewServer(p)
	p.SetIssuer(s.provider.URL)
	for subject, header := range map[string]*string{"attacker": &s.attacker, "honest": &s.honest} {
		claims, err := json.Marshal(map[string]any{
			"iss": s.provider.URL, "aud": "claimcheck", "sub": subject, "iat": time.Now().Unix(), "exp": time.Now().Add(6 * time.Hour).Unix(),
		})
		if err != nil {
			return err
		}
		*header = "Bearer " + oidctest.SignIDToken(key, "k1", "RS256", string(claims))
	}
	return nil
}

// paint makes the pictures, and has both owners own a large output.
func (s *harness) paint(ctx context.Context) error {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 16, 16))); err != nil {
		return err
	}
	s.picture = append(b.Bytes(), make([]byte, 8<<10)...)
	s.large = append(bytes.Clone(b.Bytes()), make([]byte, 8<<20)...)
	for _, owner := range []string{s.attacker, s.honest} {
		r, err := s.call(ctx, owner, http.MethodPost, s.url+"/jobs", s.large)
		if err != nil {
			return err
		}
		location := r.Header.Get("Location")
		for s.outputs[owner] == "" {
			if r, err = s.call(ctx, owner, http.MethodGet, location, nil, "Prefer", "wait=20"); err != nil {
				return err
			}
			if r.StatusCode == http.StatusCreated {
				s.outputs[owner] = r.Header.Get("Location")
			}
		}
	}
	return nil
}

// round is what an honest client does: a submit, a wait that may be short, and a fetch.
func (s *harness) round(ctx context.Context) error {
	r, err := s.call(ctx, s.honest, http.MethodPost, s.url+"/jobs", s.picture)
	if err != nil {
		return err
	}
	r, err = s.call(ctx, s.honest, http.MethodGet, r.Header.Get("Location"), nil, "Prefer", "wait=20")
	if err != nil {
		return err
	}
	if r.Header.Get("Preference-Applied") == "" {
		return &refusal{"a wait", "it found no place to wait"}
	}
	_, err = s.call(ctx, s.honest, http.MethodGet, s.outputs[s.honest], nil, "Range", "bytes=0-262143")
	return err
}

// refusal is an answer that the attack has caused.
type refusal struct{ of, why string }

func (r *refusal) Error() string { return r.of + ": " + r.why }

// call sends one request and reads its answer; header alternates names and values.
func (s *harness) call(ctx context.Context, owner, method, url string, body []byte, header ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", owner)
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "image/png")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	r, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	switch {
	case err != nil:
		return nil, err
	case r.StatusCode == http.StatusTooManyRequests || r.StatusCode == http.StatusRequestTimeout:
		return nil, &refusal{method + " " + strings.TrimPrefix(url, s.url), r.Status + " " + string(text)}
	case r.StatusCode >= 300:
		return nil, fmt.Errorf("%s %s: %s: %s", method, url, r.Status, text)
	}
	return r, nil
}
