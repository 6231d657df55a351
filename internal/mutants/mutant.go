// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"embed"
	"fmt"
	"path"
	"strings"
)

//go:embed patches/*.patch
var patches embed.FS

// A mutant is one bug.
type mutant struct {
	name     string // of the file, without its ending
	title    string // what is wrong
	observed string // what somebody would see
	packages []string
	patch    []byte // the file
}

// number returns the number that its name begins with.
func (m mutant) number() string {
	number, _, _ := strings.Cut(m.name, "-")
	return number
}

// load returns all mutants, in order of their names.
func load() ([]mutant, error) {
	files, err := patches.ReadDir("patches")
	if err != nil {
		return nil, err
	}
	var mutants []mutant
	for _, file := range files {
		text, err := patches.ReadFile(path.Join("patches", file.Name()))
		if err != nil {
			return nil, err
		}
		m, err := parse(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file.Name(), err)
		}
		m.name = strings.TrimSuffix(file.Name(), ".patch")
		mutants = append(mutants, m)
	}
	return mutants, nil
}

// parse reads the header of a patch. A line that begins no field goes on with the
// one before.
func parse(text []byte) (mutant, error) {
	m := mutant{patch: text}
	header, _, ok := strings.Cut(string(text), "\n--- ")
	if !ok {
		return m, fmt.Errorf("no patch")
	}
	fields := map[string]string{}
	field := "Title"
	for line := range strings.Lines(header) {
		for _, name := range []string{"Observed", "Packages"} {
			if rest, found := strings.CutPrefix(line, name+": "); found {
				field, line = name, rest
			}
		}
		fields[field] = strings.TrimSpace(fields[field] + " " + strings.TrimSpace(line))
	}
	m.title, m.observed, m.packages = fields["Title"], fields["Observed"], strings.Fields(fields["Packages"])
	if m.title == "" || m.observed == "" || len(m.packages) == 0 {
		return m, fmt.Errorf("the header is not complete")
	}
	return m, nil
}
