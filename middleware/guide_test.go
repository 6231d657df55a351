// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestGuide checks that the programs in the guide for clients are those that run as examples.
func TestGuide(t *testing.T) {
	guide, err := os.ReadFile("../docs/CLIENTS.md")
	if err != nil {
		t.Fatal(err)
	}
	examples, err := os.ReadFile("example_client_test.go")
	if err != nil {
		t.Fatal(err)
	}
	unindented := func(text []byte) string {
		return regexp.MustCompile(`(?m)^\t+`).ReplaceAllString(string(text), "")
	}
	programs := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllSubmatch(guide, -1)
	if len(programs) != 2 {
		t.Errorf("there are %d programs, want 2", len(programs))
	}
	for _, program := range programs {
		if !strings.Contains(unindented(examples), unindented(program[1])) {
			t.Errorf("no example has this program:\n%s", program[1])
		}
	}
}
