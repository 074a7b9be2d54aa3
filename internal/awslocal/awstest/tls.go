package awstest

import (
	"crypto/x509"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
)

// TLS returns an endpoint of the S3 server behind TLS, and the certificates that its
// clients must trust. The SDK sends different requests over https than over http.
func (e *Env) TLS(tb testing.TB) (endpoint string, roots *x509.CertPool) {
	tb.Helper()
	to, err := url.Parse(e.S3URL)
	if err != nil {
		tb.Fatalf("awstest: %v", err)
	}
	front := httptest.NewTLSServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host // the signature includes it
	}})
	tb.Cleanup(front.Close)
	roots = x509.NewCertPool()
	roots.AddCert(front.Certificate())
	return front.URL, roots
}
