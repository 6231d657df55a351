// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package servers

import (
	"bytes"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// A process is a child of this one. It ends when its standard input does: none outlives a
// test that crashes.
type process struct {
	command *exec.Cmd
	stdin   interface{ Close() error }
	log     log
	ended   chan struct{}
}

// leash starts a program that takes no input, and kills it when its own input ends.
const leash = `"$@" </dev/null & cat >/dev/null; kill -9 $!; wait $!`

// startLeashed starts a program that cares for no end of input.
func startLeashed(c *exec.Cmd) (*process, error) {
	leashed := exec.Command("/bin/sh", append([]string{"-c", leash, "sh"}, c.Args...)...)
	leashed.Dir, leashed.Env = c.Dir, c.Env
	p := &process{}
	leashed.Stdout = &p.log
	stdin, err := leashed.StdinPipe()
	if err != nil {
		return nil, err
	}
	p.stdin = stdin
	return p, p.start(leashed)
}

// start starts c, which has its standard input and output set.
func (p *process) start(c *exec.Cmd) error {
	p.command, p.ended = c, make(chan struct{})
	c.Stderr = &p.log
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.WaitDelay = time.Second
	if err := c.Start(); err != nil {
		return err
	}
	go func() {
		c.Wait()
		close(p.ended)
	}()
	return nil
}

// stop ends the process, and kills it with all its children if it does not.
func (p *process) stop() {
	p.stdin.Close()
	select {
	case <-p.ended:
	case <-time.After(5 * time.Second):
		syscall.Kill(-p.command.Process.Pid, syscall.SIGKILL)
		<-p.ended
	}
}

// A log is what a process says.
type log struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (l *log) Write(text []byte) (int, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.Write(text)
}

// len returns how much has been said so far.
func (l *log) len() int {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.text.Len()
}

// since returns what was said after the first n bytes, at most the last 10 kB of it.
func (l *log) since(n int) string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	text := l.text.String()[n:]
	return text[max(0, len(text)-10_000):]
}
