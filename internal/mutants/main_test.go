// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// fewest is how many mutants there are at least.
const fewest = 40

// Each patch has a number of its own and a whole header, and applies to the tree as
// it is: drift shows here, and not in a run of minutes.
func TestPatches(t *testing.T) {
	mutants, err := load()
	if err != nil {
		t.Fatal(err)
	}
	if len(mutants) < fewest {
		t.Errorf("%d mutants, want at least %d", len(mutants), fewest)
	}
	root := checkout(t)
	names := map[string]string{} // by number and by title
	for _, m := range mutants {
		for _, key := range []string{m.number(), m.title} {
			if names[key] != "" {
				t.Errorf("%s and %s are both called %q", names[key], m.name, key)
			}
			names[key] = m.name
		}
		for _, pkg := range m.packages {
			if pkg != "." && !strings.HasPrefix(pkg, "./") {
				t.Errorf("%s: %q is no package of this module", m.name, pkg)
			}
		}
		check := exec.Command("git", "apply", "--check")
		check.Dir, check.Stdin = root, bytes.NewReader(m.patch)
		if output, err := check.CombinedOutput(); err != nil {
			t.Errorf("%s does not apply: %v\n%s", m.name, err, output)
		}
	}
}

// checkout returns the root of the git checkout that the test stands in.
func checkout(t *testing.T) string {
	t.Helper()
	root, err := exec.Command("git", "rev-parse", "--show-toplevel").Output()
	if err == nil {
		return strings.TrimSpace(string(root))
	}
	if os.Getenv("UNTILACK_REQUIRE") == "all" {
		t.Fatalf("not in a git checkout: %v", err)
	}
	t.Skip("not in a git checkout")
	return ""
}

// A header may be cut into lines; one that lacks something is refused.
func TestParse(t *testing.T) {
	m, err := parse([]byte("A title\nObserved: this\nand that.\nPackages: ./cache .\n\n--- a/x\n+++ b/x\n"))
	if err != nil || m.title != "A title" || m.observed != "this and that." || strings.Join(m.packages, " ") != "./cache ." {
		t.Errorf("got %+v, %v", m, err)
	}
	for _, text := range []string{
		"",
		"A title\nObserved: this\nPackages: .\n",
		"A title\nPackages: .\n\n--- a/x\n",
		"A title\nObserved: this\n\n--- a/x\n",
		"Observed: this\nPackages: .\n\n--- a/x\n",
	} {
		if _, err := parse([]byte(text)); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

// What has caught a bug is the first test that failed, or how the tests ended.
func TestFailure(t *testing.T) {
	for output, want := range map[string]string{
		"--- FAIL: TestA (0.1s)\n    --- FAIL: TestA/b (0.1s)\n    --- FAIL: TestA/c (0s)\n": "TestA/b",
		"--- FAIL: TestA (0.1s)\n--- FAIL: TestB (0.1s)\nFAIL\n":                             "TestA",
		"--- FAIL: TestA (0.1s)\npanic: no [recovered]\n":                                    "TestA",
		"panic: test timed out after 2m0s\n\trunning tests:\n\t\tTestA (2m0s)\n":             "TestA (timeout)",
		"panic: no\n": "panic",
		"goleak: Errors on successful test run\n":              "goleak",
		"fatal error: all goroutines are asleep - deadlock!\n": "fatal error",
		"": "exit status",
	} {
		if got := failure(output); got != want {
			t.Errorf("%q was caught by %q, want %q", output, got, want)
		}
	}
}
