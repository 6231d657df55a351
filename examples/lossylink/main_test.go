// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"
)

func TestConclude(t *testing.T) {
	seconds := 0.25
	without := &Outcome{Sent: 10, Once: 6, Lost: 4}
	for _, test := range []struct {
		name   string
		fault  Fault
		report Report
		want   int
	}{
		{"all is well", Swallow, Report{Without: without, With: &Outcome{Sent: 10, Once: 10, RecoverSeconds: &seconds}}, 0},
		{"in flight", Swallow, Report{Without: without, With: &Outcome{Once: 9, Duplicated: 1, Extra: 1, InFlight: 1}}, 0},
		{"lost", Swallow, Report{Without: without, With: &Outcome{Once: 9, Lost: 1}}, exitFailed},
		{"forged", Swallow, Report{Without: without, With: &Outcome{Once: 10, Forged: 1}}, exitFailed},
		{"too many", Swallow, Report{Without: without, With: &Outcome{Once: 9, Duplicated: 1, Extra: 1, TooMany: 1}}, exitFailed},
		{"altered", Swallow, Report{Without: without, With: &Outcome{Once: 10, Altered: 1}}, exitFailed},
		{"never struck", Swallow, Report{Without: &Outcome{Once: 10}, With: &Outcome{Once: 10}}, exitNotStruck},
		{"seen to fail", Reset, Report{Without: &Outcome{Once: 10}, With: &Outcome{Once: 10}}, 0},
		{"one run", Swallow, Report{Without: without}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.report.Config.Fault = test.fault
			var out, problems bytes.Buffer
			if got := conclude(test.report, options{}, &out, &problems); got != test.want {
				t.Errorf("exit status %d, want %d: %s", got, test.want, &problems)
			}
			if (problems.Len() > 0) != (test.want != 0) {
				t.Errorf("said %q", &problems)
			}
		})
	}
}

func TestTable(t *testing.T) {
	seconds := 0.25
	report := Report{Without: &Outcome{Sent: 10, Once: 6, Lost: 4}, With: &Outcome{Sent: 10, Once: 9, Duplicated: 1, RecoverSeconds: &seconds}}
	var out strings.Builder
	if err := report.WriteTable(&out); err != nil {
		t.Fatal(err)
	}
	want := `
   messages           without untilack   with untilack
   sent                             10              10
   delivered once                    6               9
   duplicated                        0               1
   lost                              4               0
   out of order                      0               0
   time to recover               never          0.25 s
`
	if got := "\n" + out.String(); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestParse(t *testing.T) {
	for _, arguments := range []string{
		"-fault meteor", "-resource none", "-transport pigeon", "-to whom", "-runs never", "-messages 1",
		"-rate 0", "-outage 0s", "-unknown", "more", "-persist-after 1s", "-store mail.db -persist-after 2s",
	} {
		if _, _, err := parse(strings.Fields(arguments), io.Discard); err == nil {
			t.Errorf("%s: no error", arguments)
		}
	}
	config, options, err := parse(strings.Fields("-fault flap -json -seed 7 -store mail.db -persist-after -1s"), io.Discard)
	if err != nil || config.Fault != Flap || config.Seed != 7 || !options.json || config.Store != "mail.db" || config.PersistAfter != -time.Second {
		t.Errorf("got %+v, %+v, %v", config, options, err)
	}
}
