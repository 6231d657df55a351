// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package servers

import (
	"bytes"
	"io"
	"os/exec"
	"regexp"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A process is a child of this one. It ends when its standard input does: none outlives a
// test that crashes.
type process struct {
	command *exec.Cmd
	stdin   io.WriteCloser
	log     log
	ended   chan struct{}
}

// leash starts a program that takes no input, and kills it when its own input ends.
const leash = `"$@" </dev/null & cat >/dev/null; kill -9 $!; wait $!`

// startLeashed starts a program that cares for no end of input.
func (p *process) startLeashed(c *exec.Cmd) error {
	leashed := exec.Command("/bin/sh", append([]string{"-c", leash, "sh"}, c.Args...)...)
	leashed.Dir, leashed.Env, leashed.Stdout = c.Dir, c.Env, &p.log
	return p.start(leashed)
}

// startTalking starts a program and returns its input and its output.
func (p *process) startTalking(c *exec.Cmd) (in io.Writer, out io.Reader, err error) {
	// Not c.StdoutPipe, which is closed before all is read when the program ends.
	out, c.Stdout = io.Pipe()
	if err := p.start(c); err != nil {
		return nil, nil, err
	}
	return p.stdin, out, nil
}

// start starts c, which has its output set.
func (p *process) start(c *exec.Cmd) (err error) {
	if p.stdin, err = c.StdinPipe(); err != nil {
		return err
	}
	p.ended = make(chan struct{})
	c.Stderr = &p.log
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.WaitDelay = time.Second // for those of its children that have its output
	if err := c.Start(); err != nil {
		return err
	}
	p.command = c
	go func() {
		_ = c.Wait() // however it ends
		if out, ok := c.Stdout.(io.Closer); ok {
			out.Close()
		}
		close(p.ended)
	}()
	return nil
}

// stop ends the process, and kills it with all its children if it does not end.
func (p *process) stop() {
	if p.command == nil {
		return
	}
	p.stdin.Close()
	select {
	case <-p.ended:
	case <-time.After(5 * time.Second):
		_ = syscall.Kill(-p.command.Process.Pid, syscall.SIGKILL)
		<-p.ended
	}
}

// signal sends a signal to the process and its children.
func (p *process) signal(s syscall.Signal) error {
	return syscall.Kill(-p.command.Process.Pid, s)
}

// end stops the process. If the test has failed, it shows what the process said.
func (p *process) end(t testing.TB, name string) {
	p.stop()
	if t.Failed() {
		t.Logf("%s says:\n%s", name, p.log.since(0))
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

// since returns what was said after the first n bytes, at most the last 10 kB of it, or the 10 kB
// from where a program of Go's says why it crashes, before that.
func (l *log) since(n int) string {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	const most = 10_000
	text := l.text.String()
	if crash := crashes.FindStringIndex(text); crash != nil {
		text = text[crash[0]:]
		return text[:min(most, len(text))]
	}
	text = text[n:]
	return text[max(0, len(text)-most):]
}

var crashes = regexp.MustCompile(`(?m)^(panic: |fatal error: |runtime: |unexpected fault|SIG[A-Z]+: |WARNING: DATA RACE)`)
