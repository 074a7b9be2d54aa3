package awstest

import (
	"crypto/x509"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
)

// TLS returns an endpoint of the S3 server behind TLS, and the certificates that its
// clients have to trust. The SDK sends other requests over https than over http.
func (e *Env) TLS(tb testing.TB) (endpoint string, roots *x509.CertPool) {
	tb.Helper()
	to, err := url.Parse(e.S3URL)
	if err != nil {
		tb.Fatalf("awstest: %v", err)
	}
	front := httptest.NewTLSServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host // part of what is signed
	}})
	tb.Cleanup(front.Close)
	roots = x509.NewCertPool()
	roots.AddCert(front.Certificate())
	return front.URL, roots
}
