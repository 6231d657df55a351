// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package clients

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/untilack/untilack/internal/integration/servers"
)

// The programs examples/sender and examples/bot, each in a process, on a server of other
// people's. Both are cut off on the way; in the end all is delivered, and stored once.
func TestExamples(t *testing.T) {
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", dir, "./bot", "./sender")
	build.Dir = "../../../examples"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	servers.Each(t, func(t *testing.T, s *servers.Server) {
		account := s.Account(t, "juliet")
		julietsServer, julietsNetwork := s.Behind(t)
		romeosServer, romeosNetwork := s.Behind(t)
		bot := start(t, dir+"/bot", julietsServer, account, "-answer", "domain")
		sender := start(t, dir+"/sender", romeosServer, s.Account(t, "romeo"), "-to", account.Address.String(),
			"-messages", fmt.Sprint(*messages), "-wait", shortly.String(), "-tries", "20")
		bot.await(*messages / 4)
		julietsNetwork.Cut()
		bot.await(*messages / 2)
		romeosNetwork.Cut()
		if err := sender.command.Wait(); err != nil {
			t.Errorf("sender: %v", err)
		}
		_ = bot.command.Process.Signal(syscall.SIGTERM)
		if err := bot.command.Wait(); err != nil {
			t.Errorf("bot: %v", err)
		}
		<-sender.ended
		<-bot.ended
		delivered := 0
		for _, line := range sender.lines {
			if strings.Contains(line, ": delivered by "+account.Address.String()+"/example ") {
				delivered++
			}
		}
		bodies := make(map[string]int)
		for _, line := range bot.lines {
			_, body, _ := strings.Cut(line, ": ")
			bodies[body]++
		}
		for i := range *messages {
			body := fmt.Sprintf("%q", fmt.Sprintf("message %d of %d", i+1, *messages))
			if bodies[body] != 1 {
				t.Errorf("the bot has printed %s %d times", body, bodies[body])
			}
		}
		if delivered != *messages || len(bot.lines) != *messages {
			t.Errorf("of %d messages %d were delivered, and the bot has printed %d", *messages, delivered, len(bot.lines))
		}
	})
}

// A program is one that runs, and what it has printed.
type program struct {
	command *exec.Cmd
	ended   chan struct{} // when all is printed

	mutex   sync.Mutex
	lines   []string
	over    bool // there will be no more
	printed sync.Cond
}

// start starts an example that logs in to a server. It is killed when the test ends.
func start(t *testing.T, path string, s *servers.Server, a servers.Account, arguments ...string) *program {
	t.Helper()
	p := &program{ended: make(chan struct{})}
	p.printed.L = &p.mutex
	p.command = exec.Command(path, append(arguments, "-account", a.Address.String()+"/example", "-server", s.Address, "-ca", s.CAFile)...)
	p.command.Env = append(os.Environ(), "XMPP_PASSWORD="+a.Password)
	p.command.Stderr = os.Stderr
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.command.Stdout = in
	err = p.command.Start()
	in.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.command.Process.Kill() })
	go p.read(out)
	return p
}

func (p *program) read(out *os.File) {
	defer close(p.ended)
	defer out.Close()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		p.mutex.Lock()
		p.lines = append(p.lines, lines.Text())
		p.printed.Broadcast()
		p.mutex.Unlock()
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.over = true
	p.printed.Broadcast()
}

// await waits until so many lines are printed, or the program has ended.
func (p *program) await(count int) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for len(p.lines) < count && !p.over {
		p.printed.Wait()
	}
}
