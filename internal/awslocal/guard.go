package awslocal

import (
	"mime"
	"net/http"
	"slices"

	"claimcheck.example/internal/loopback"
)

// guard refuses requests that a stranger's web page can make a browser send to a server
// on loopback: requests under the page's own host name, writes from other origins, and
// forms, which S3 accepts as uploads and a browser sends without a preflight.
func guard(next http.Handler, origins []string) http.Handler {
	protection := http.NewCrossOriginProtection()
	for _, origin := range origins {
		_ = protection.AddTrustedOrigin(origin) // an invalid origin stays untrusted
	}
	everyone := slices.Contains(origins, "*")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
		switch {
		case !loopback.Host(r.Host):
			refuse(w, http.StatusMisdirectedRequest, "MisdirectedRequest", "This server answers to localhost and loopback addresses only.")
		case !everyone && protection.Check(r) != nil:
			refuse(w, http.StatusForbidden, "AccessDenied", "Pages of this origin may not write here.")
		case r.Method == http.MethodPost && kind == "multipart/form-data":
			refuse(w, http.StatusMethodNotAllowed, "MethodNotAllowed", "Uploads by HTML forms are not possible here.")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// refuse answers with an S3 error document, which SQS clients do not read.
func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = w.Write([]byte("<Error><Code>" + code + "</Code><Message>" + message + "</Message></Error>\n"))
}
