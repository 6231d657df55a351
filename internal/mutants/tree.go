// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A tree is a copy of the module.
type tree struct {
	top  string // a directory of its own
	root string // of the module, in it
}

// plant makes n copies of the module. What it has made is to be removed in any case.
func plant(ctx context.Context, n int) (trees []*tree, err error) {
	root, err := exec.CommandContext(ctx, "git", "rev-parse", "--show-toplevel").Output()
	if err != nil {
		return nil, fmt.Errorf("not in a git checkout: %w", err)
	}
	from := strings.TrimSpace(string(root))
	list := exec.CommandContext(ctx, "git", "ls-files", "-z", "-co", "--exclude-standard")
	list.Dir = from
	files, err := list.Output()
	if err != nil {
		return nil, err
	}
	for range n {
		top, err := os.MkdirTemp("", "mutants")
		if err != nil {
			return trees, err
		}
		t := &tree{top: top, root: filepath.Join(top, "module")}
		trees = append(trees, t)
		for name := range strings.SplitSeq(strings.TrimSuffix(string(files), "\x00"), "\x00") {
			if err := copyFile(filepath.Join(t.root, name), filepath.Join(from, name)); err != nil {
				return trees, err
			}
		}
	}
	return trees, nil
}

// copyFile copies a file. One that git knows and that is gone is passed over.
func copyFile(to, from string) error {
	data, err := os.ReadFile(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o666)
}

func (t *tree) remove() { _ = os.RemoveAll(t.top) }

// An outcome is what came of a mutant.
type outcome struct {
	mutant mutant
	by     string // the test that failed, "" if none did
	output string // what it printed
	err    error  // why nothing can be said
	took   time.Duration
}

func (o outcome) caught() bool { return o.err == nil && o.by != "" }

func (o outcome) verdict() string {
	switch {
	case o.err != nil:
		return "ERROR: " + o.err.Error()
	case o.by == "":
		return "SURVIVED"
	}
	return o.by
}

// try puts the bug into the tree, runs tests, and takes it out again.
func (t *tree) try(ctx context.Context, m mutant) (o outcome) {
	start := time.Now()
	o.mutant = m
	defer func() { o.took = time.Since(start) }()
	if o.output, o.err = t.apply(ctx, m); o.err != nil {
		return o
	}
	defer func() {
		if output, err := t.apply(context.WithoutCancel(ctx), m, "-R"); err != nil {
			o.output, o.err = output, err
		}
	}()
	if o.output, o.err = t.build(ctx); o.err != nil {
		return o
	}
	for _, pkg := range m.packages {
		if o.by, o.output, o.err = t.test(ctx, pkg); o.err != nil || o.by != "" {
			break
		}
	}
	return o
}

// holds returns an error if the tree does not build, or if the tests of some mutants
// fail without them.
func (t *tree) holds(ctx context.Context, mutants []mutant) error {
	if output, err := t.build(ctx); err != nil {
		return fmt.Errorf("without a bug: %w\n%s", err, output)
	}
	done := map[string]bool{}
	for _, m := range mutants {
		for _, pkg := range m.packages {
			if done[pkg] {
				continue
			}
			done[pkg] = true
			by, output, err := t.test(ctx, pkg)
			if err == nil && by != "" {
				err = fmt.Errorf("%s fails", by)
			}
			if err != nil {
				return fmt.Errorf("%s, without a bug: %w\n%s", pkg, err, output)
			}
		}
	}
	return nil
}

// apply applies the mutant's patch, or with -R takes it out.
func (t *tree) apply(ctx context.Context, m mutant, flags ...string) (string, error) {
	output, err := t.run(ctx, t.root, m.patch, "git", append([]string{"apply"}, flags...)...)
	if err != nil {
		err = errors.New("does not apply")
	}
	return output, err
}

// build builds the module.
func (t *tree) build(ctx context.Context) (string, error) {
	output, err := t.run(ctx, t.root, nil, "go", "build", "-trimpath", "./...")
	if err != nil {
		err = errors.New("does not build")
	}
	return output, err
}

// test runs the tests of a package until one fails, and returns which one.
func (t *tree) test(ctx context.Context, pkg string) (by, output string, err error) {
	program := filepath.Join(t.top, "program.test")
	if output, err = t.run(ctx, t.root, nil, "go", "test", "-trimpath", "-c", "-o", program, pkg); err != nil {
		return "", output, fmt.Errorf("the tests of %s do not build", pkg)
	}
	output, err = t.run(ctx, filepath.Join(t.root, pkg), nil, program, "-test.failfast", "-test.short", "-test.timeout", "120s")
	if err == nil {
		return "", "", nil
	}
	if ctx.Err() != nil {
		return "", "", ctx.Err()
	}
	return failure(output), output, nil
}

var (
	failed   = regexp.MustCompile(`--- FAIL: (\S+)`)
	timedOut = regexp.MustCompile(`panic: test timed out after.*\s+running tests:\s+(\S+)`)
)

// failure returns which test failed first, in as much detail as there is, or how the
// tests ended.
func failure(output string) (by string) {
	if test := timedOut.FindStringSubmatch(output); test != nil {
		return test[1] + " (timeout)"
	}
	for _, test := range failed.FindAllStringSubmatch(output, -1) {
		if by == "" || strings.HasPrefix(test[1], by+"/") {
			by = test[1]
		}
	}
	switch {
	case by != "":
		return by
	case strings.Contains(output, "goleak: "):
		return "goleak"
	case strings.Contains(output, "panic: "):
		return "panic"
	case strings.Contains(output, "fatal error: "):
		return "fatal error"
	}
	return "exit status"
}

// run runs a program and returns what it prints.
func (t *tree) run(ctx context.Context, dir string, input []byte, program string, arguments ...string) (string, error) {
	var output head
	cmd := exec.CommandContext(ctx, program, arguments...)
	cmd.Dir = dir
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &output, &output
	// No repository is meant: neither one that a hook of git names, nor one around here.
	cmd.Env = slices.DeleteFunc(cmd.Environ(), func(v string) bool { return strings.HasPrefix(v, "GIT_") })
	cmd.Env = append(cmd.Env, "GIT_CEILING_DIRECTORIES="+t.top)
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	return output.String(), err
}

// A head keeps the first of what is written to it.
type head struct{ bytes.Buffer }

// Write implements io.Writer.
func (h *head) Write(b []byte) (int, error) {
	const limit = 64 << 10
	h.Buffer.Write(b[:min(len(b), max(0, limit-h.Len()))])
	return len(b), nil
}
