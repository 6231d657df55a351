// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"context"
	_ "embed" // for the script
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var (
	picture = flag.String("picture", "", "TestPage: take a picture of the page, 1280 by 860, to this `file`, and do nothing else")
	dark    = flag.Bool("dark", false, "TestPage: in dark colours")
	size    = flag.String("size", "1280,860", "TestPage: the size of the picture")
)

//go:embed testdata/drive.js
var driveScript []byte

// A seen is what the script has to tell of the page.
type seen struct {
	Failures []string
	Seen     string
}

// TestPage uses the page in a browser, as a person would: testdata/drive.js has the steps. The
// picture in docs is taken by
//
//	go test ./examples/server -run TestPage -picture $PWD/docs/server.png
func TestPage(t *testing.T) {
	t.Parallel()
	chromium := findChromium(t)
	if *picture != "" {
		drive(t, chromium, "pose", pictureOptions(t)...)
		return
	}
	for _, work := range []string{"use", "login"} {
		t.Run(work, func(t *testing.T) {
			t.Parallel()
			drive(t, chromium, work)
		})
	}
}

// drive has a function of the script use the page.
func drive(t *testing.T, chromium, work string, options ...string) {
	t.Helper()
	config := testConfig(t)
	config.Accounts, config.Tell = []string{"romeo:secret, with = and ü", "juliet:secret"}, work != "login"
	config.ProbeWait = 3 * time.Second // a phone in a tunnel is waited for
	if work == "pose" {
		config.AckWait, config.ProbeWait = 2*time.Second, 4*time.Second
	}
	s := start(t, config)
	result, ready := make(chan seen, 1), make(chan struct{})
	web := httptest.NewServer(drivePage(t, s.web[0].Handler, work, result, ready))
	t.Cleanup(web.Close) // after the browser, which listens to events
	ended := browse(t, chromium, append(options, web.URL)...)
	select {
	case got := <-result:
		for _, failure := range got.Failures {
			t.Error(failure)
		}
		t.Logf("the page showed\n%s", got.Seen)
	case <-time.After(time.Minute):
		t.Error("the page has told nothing")
	}
	close(ready)
	if work == "pose" {
		<-ended
	}
}

func findChromium(t *testing.T) string {
	t.Helper()
	chromium, err := exec.LookPath("chromium")
	switch {
	case err == nil:
		return chromium
	case os.Getenv("UNTILACK_REQUIRE") == "all":
		t.Fatal("there is no chromium")
	default:
		t.Skip("there is no chromium")
	}
	return ""
}

func pictureOptions(t *testing.T) []string {
	t.Helper()
	file, err := filepath.Abs(*picture)
	if err != nil {
		t.Fatal(err)
	}
	options := []string{"--screenshot=" + file, "--window-size=" + *size, "--hide-scrollbars"}
	if *dark {
		options = append(options, "--blink-settings=preferredColorScheme=0")
	}
	return options
}

// drivePage serves the page with a script in it that uses it, and an image that keeps it from
// being loaded, and its picture from being taken, until ready is closed.
func drivePage(t *testing.T, page http.Handler, work string, result chan<- seen, ready <-chan struct{}) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", page)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		recorder := httptest.NewRecorder()
		page.ServeHTTP(recorder, r)
		addition := `<script defer src="/drive.js" data-work="` + work + `"></script><img src="/ready" alt="">`
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		policy := recorder.Header().Get("Content-Security-Policy")
		w.Header().Set("Content-Security-Policy", strings.Replace(policy, "img-src", "img-src 'self'", 1))
		_, _ = w.Write([]byte(strings.Replace(recorder.Body.String(), "</body>", addition+"</body>", 1)))
	})
	mux.HandleFunc("GET /drive.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		_, _ = w.Write(driveScript)
	})
	mux.HandleFunc("GET /ready", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-ready:
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("POST /done", func(_ http.ResponseWriter, r *http.Request) {
		var got seen
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
		result <- got
	})
	return mux
}

// browse starts a browser, which is ended with the test if it has not ended before.
func browse(t *testing.T, chromium string, args ...string) (ended <-chan struct{}) {
	t.Helper()
	profile, err := os.MkdirTemp("", "chromium")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := exec.CommandContext(ctx, chromium, append([]string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--log-level=3", "--user-data-dir=" + profile,
	}, args...)...)
	c.WaitDelay = time.Second
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = c.Wait() // it is killed
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		_ = os.RemoveAll(profile)
	})
	return done
}
