// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package servers

import (
	_ "embed" // for the page
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/net/websocket"
)

//go:embed converse.html
var conversePage []byte

// converseVersion is the one that .ci/install installs.
const converseVersion = "14.0.0"

// Converse opens a page with converse.js in a headless Chromium, which logs in through the
// server's WebSocket. It is closed when the test ends.
//
// Its Messages are those that a user sees: of two copies one. It takes a receipt for any
// message of the same chat with that id, also for one that it has got.
func Converse(t testing.TB, s *Server, a Account) *Client {
	t.Helper()
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		require(t, missing("chromium", "chromium"))
	}
	files, err := findConverse()
	require(t, err)
	pages := make(chan *websocket.Conn)
	done := make(chan struct{})
	web := httptest.NewServer(serveConverse(files, pages, done))
	t.Cleanup(web.Close)
	t.Cleanup(func() { close(done) })
	name := "converse.js of " + a.Address.String()
	starting.Lock()
	defer starting.Unlock()
	browser := browse(t, name, chromium, web.URL)
	page := await(t, name, pages)
	return newClient(t, name, func() *process { return browser }, page, page, login{Address: a.Address.String(), Password: a.Password, Server: s.WebSocketURL})
}

// starting is held while a browser starts: side by side, on a busy machine, they would take longer
// than a test waits for anything.
var starting sync.Mutex

// findConverse returns the folder where .ci/install has put what a page needs.
func findConverse() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	folder := filepath.Join(cache, "untilack", "converse.js-"+converseVersion, "dist")
	if _, err := os.Stat(folder); err != nil {
		return "", fmt.Errorf("converse.js %s is %w (.ci/install does)", converseVersion, errMissing)
	}
	return folder, nil
}

// serveConverse serves the page, and hands over the connection that the page opens to be
// driven, which lasts until done is closed.
func serveConverse(files string, pages chan<- *websocket.Conn, done <-chan struct{}) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(conversePage)
	})
	mux.Handle("GET /dist/", http.StripPrefix("/dist/", http.FileServer(http.Dir(files))))
	mux.Handle("GET /driver", websocket.Handler(func(page *websocket.Conn) {
		select {
		case pages <- page:
		case <-done:
		}
		<-done
	}))
	return mux
}

// browse opens a page in a browser of its own.
func browse(t testing.TB, name, chromium, url string) *process {
	t.Helper()
	profile, err := os.MkdirTemp("", "chromium")
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
		"--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--disable-dev-shm-usage", "--log-level=3", "--user-data-dir="+profile, url)
	command.Env = append(os.Environ(), "TMPDIR="+profile) // it leaves something there
	p := &process{}
	if err := p.startLeashed(command); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.end(t, name)
		os.RemoveAll(profile)
	})
	return p
}
