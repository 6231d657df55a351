// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilacktest

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// worlds returns how many Worlds a test simulates: UNTILACK_WORLDS, if it is set.
func worlds(n int) int {
	if s, err := strconv.Atoi(os.Getenv("UNTILACK_WORLDS")); err == nil {
		return s
	}
	if testing.Short() || detector {
		return n / 10
	}
	return n
}

func TestTheInvariantsHoldInEveryWorld(t *testing.T) {
	Explore(t, worlds(2000), nil)
}

// Each file holds the script of a World in which something was broken once.
func TestWhatWasBrokenOnceHolds(t *testing.T) {
	files, err := filepath.Glob("testdata/worlds/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s, err := ParseScript(string(text))
			if err != nil {
				t.Fatal(err)
			}
			if v := s.Play(nil); v != nil {
				t.Error(v)
			}
		})
	}
}

// events plays a script, and returns all that happens.
func events(s Script) (all []Event) {
	w := s.world(nil)
	w.trace.limit = 1 << 30
	defer func() {
		if v, ok := recover().(*Violation); ok {
			all = append(w.Events(), Event{What: v.What})
		}
	}()
	w.play(s.Steps)
	w.EndsWell()
	return w.Events()
}

func TestTheSameSeedGivesTheSameEvents(t *testing.T) {
	for seed := range worlds(200) {
		s := RandomScript(uint64(seed))
		if diff := cmp.Diff(events(s), events(s)); diff != "" {
			t.Fatalf("seed %d (-first +second):\n%s", seed, diff)
		}
	}
}

func TestAScriptIsReadAsItIsWritten(t *testing.T) {
	for seed := range uint64(300) {
		s := RandomScript(seed)
		read, err := ParseScript(s.String())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s, read); diff != "" {
			t.Fatalf("seed %d (-written +read):\n%s", seed, diff)
		}
	}
}

// bytesDecider decides by bytes, which a fuzzer chooses. At their end it says 0.
type bytesDecider []byte

func (d *bytesDecider) IntN(n int) int {
	if len(*d) == 0 {
		return 0
	}
	b := (*d)[0]
	*d = (*d)[1:]
	return int(b) % n
}

func FuzzWorld(f *testing.F) {
	for seed := range 20 {
		f.Add(fmt.Append(nil, time.Duration(seed), "0123456789 all the world's a stage, and all the men and women merely players"))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 600 {
			t.Skip()
		}
		chance := bytesDecider(data)
		s := writeScript(uint64(len(data)), &chance, 1+len(data)/5, 0) // the number says of which sort the World is
		exploreOne(t, s, nil)
	})
}

func FuzzParseScript(f *testing.F) {
	f.Add(RandomScript(1).String())
	f.Add("world seed=1\n0s  juliet@capulet.example/a  logs in  \n1s  store  is slow  3s")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseScript(text)
		if err != nil {
			return
		}
		again, err := ParseScript(s.String())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s.String(), again.String()); diff != "" {
			t.Error(diff)
		}
	})
}
