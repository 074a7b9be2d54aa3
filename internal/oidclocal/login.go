package oidclocal

import (
	"context"
	"html/template"
	"net/http"
)

// login asks for a user, and sends the browser back with that user signed in.
type login struct {
	store    *store
	callback func(context.Context, string) string
}

var loginPage = template.Must(template.New("login").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Sign in</title>
<style>:root { color-scheme: light dark } body { font: 1rem/1.5 system-ui, sans-serif; max-width: 24rem; margin: 4rem auto; padding: 0 1rem } button { font: inherit; display: block; width: 100%; margin: .5rem 0; padding: .6rem }</style>
<h1>Sign in</h1>
<p>This provider is for trials on this machine. It asks for no password.</p>
<form method="post">
<input type="hidden" name="id" value="{{.ID}}">
{{range .Users}}<button name="user" value="{{.Name}}">{{.Name}}{{if .Groups}}, an administrator{{end}}</button>
{{end}}</form></html>
`))

func (l login) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := r.FormValue("id")
	if _, err := l.store.AuthRequestByID(r.Context(), id); err != nil {
		http.Error(w, "this sign-in has ended or was never begun; begin it again on the page", http.StatusBadRequest)
		return
	}
	if r.Method == http.MethodPost {
		if err := l.store.CheckUsernamePassword(r.PostFormValue("user"), "", id); err != nil {
			http.Error(w, "there is no such user", http.StatusForbidden)
			return
		}
		http.Redirect(w, r, l.callback(r.Context(), id), http.StatusSeeOther)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'")
	_ = loginPage.Execute(w, map[string]any{"ID": id, "Users": Users}) // the browser has gone away
}
