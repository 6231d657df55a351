// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// asServer has this program be the server that a test kills, and not a test.
const asServer = "UNTILACK_TEST_AS_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(asServer) != "" {
		main()
		return
	}
	flag.Parse()
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == parallel.DefValue {
		_ = flag.Set("test.parallel", "8") // most of them wait most of the time
	}
	code := m.Run()
	http.DefaultClient.CloseIdleConnections()
	if code == 0 {
		code = leaks()
	}
	os.Exit(code)
}

// leaks returns 1 if a goroutine does not end. A WebSocket's closing handshake has ten
// seconds, if the client has gone without it.
func leaks() int {
	err := goleak.Find()
	for end := time.Now().Add(15 * time.Second); err != nil && time.Now().Before(end); {
		err = goleak.Find()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// A victim is a server in a process of its own.
type victim struct {
	Addr    Addresses
	command *exec.Cmd
}

// launch starts a server with what is in a folder, and returns when it listens.
func launch(t *testing.T, dir string) *victim {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	c := exec.CommandContext(ctx, os.Args[0], "-dir", dir, "-account", "romeo:secret", "-account", "juliet:secret", "-plain",
		"-tcp", "127.0.0.1:0", "-tls", "", "-http", "", "-https", "", "-ack-wait", "500ms", "-log", "error")
	c.Env, c.Stderr = append(os.Environ(), asServer+"=1"), os.Stderr
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	v := &victim{command: c}
	address := regexp.MustCompile(`STARTTLS +(\S+)`)
	for lines := bufio.NewScanner(out); v.Addr.TCP == "" && lines.Scan(); {
		if found := address.FindStringSubmatch(lines.Text()); found != nil {
			v.Addr.TCP = found[1]
		}
	}
	if v.Addr.TCP == "" {
		t.Fatal("the server does not start")
	}
	go func() { _, _ = bufio.NewReader(out).WriteTo(new(strings.Builder)) }()
	return v
}

// kill ends it at once.
func (v *victim) kill() {
	_ = v.command.Process.Kill()
	_ = v.command.Wait()
}

// TestKill kills the server while 200 messages a second come, for a recipient who is there,
// is not there, or reads nothing. What it has acknowledged, by an answer to a question that
// was asked after the message, is not lost.
func TestKill(t *testing.T) {
	t.Parallel()
	for name, arrive := range map[string]func(t *testing.T, v *victim) (got func() string){
		"online":  online,
		"offline": func(*testing.T, *victim) func() string { return func() string { return "" } },
		"dark": func(t *testing.T, v *victim) func() string {
			dial(t, v.Addr.TCP).login("juliet", "tunnel").present()
			return func() string { return "" }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "server")
			v := launch(t, dir)
			got := arrive(t, v)
			const acknowledged = 150
			sent := send(t, v, acknowledged)
			v.kill()
			before := got()
			v = launch(t, dir)
			defer v.kill()
			juliet := dial(t, v.Addr.TCP).login("juliet", "home").present()
			for i := range acknowledged {
				id := fmt.Sprintf("id='m%d'", i)
				if !strings.Contains(before, id) {
					juliet.element("message", id) // or it fails
					juliet.acknowledge("romeo@localhost/orchard", fmt.Sprint("m", i))
				}
			}
			t.Logf("%d sent, %d acknowledged, none of these lost", sent(), acknowledged)
		})
	}
}

// online has juliet be there, and acknowledge all, until the server is killed. What it returns
// returns what she got.
func online(t *testing.T, v *victim) (got func() string) {
	juliet := dial(t, v.Addr.TCP).login("juliet", "balcony").present()
	id := regexp.MustCompile(`<message [^>]*id='(m\d+)'`)
	var all strings.Builder
	var wait sync.WaitGroup
	wait.Go(func() {
		part := make([]byte, 4096)
		done := 0
		for {
			n, err := juliet.conn.Read(part)
			all.Write(part[:n])
			for _, found := range id.FindAllStringSubmatchIndex(all.String()[done:], -1) {
				fmt.Fprintf(juliet.conn, "<message to='romeo@localhost/orchard' type='chat'><received xmlns='urn:xmpp:receipts' id='%s'/></message>",
					all.String()[done+found[2]:done+found[3]])
			}
			if last := strings.LastIndex(all.String(), ">"); last > done {
				done = last
			}
			if err != nil {
				return
			}
		}
	})
	return func() string {
		wait.Wait()
		return all.String()
	}
}

// send has romeo send 200 messages a second until the server is killed. It returns when the
// server has acknowledged so many of them. What it returns returns how many he has sent.
func send(t *testing.T, v *victim, acknowledged int) (sent func() int) {
	romeo := dial(t, v.Addr.TCP).login("romeo", "orchard").present()
	count := make(chan int, 1)
	go func() {
		ticks := time.NewTicker(5 * time.Millisecond)
		defer ticks.Stop()
		for n := 0; ; n++ {
			<-ticks.C
			_, err := fmt.Fprintf(romeo.conn, "<message to='juliet@localhost' id='m%d' type='chat'>%s</message>"+
				"<iq type='get' id='q%d'><ping xmlns='urn:xmpp:ping'/></iq>", n, ask, n)
			if err != nil {
				count <- n
				return
			}
		}
	}()
	for i := range acknowledged {
		romeo.await(fmt.Sprintf("<iq type='result' id='q%d'", i))
	}
	return func() int { return <-count }
}
