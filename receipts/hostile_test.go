// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package receipts_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/untilack/untilack/receipts"
)

func TestHostileStanzas(t *testing.T) {
	const mega = 1 << 20
	fill := func(n int, parts ...string) string {
		return parts[0] + strings.Repeat(parts[1], n) + parts[2]
	}
	var attributes, distinct strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&attributes, " a%d=''", i)
	}
	for i := range 60 {
		fmt.Fprintf(&distinct, " xmlns:p%d='urn:p'", i)
	}
	for _, c := range []struct {
		name   string
		stanza string
		want   error
	}{
		{"ten megabytes of text pass", fill(10*mega-50, `<message><body>`, `a`, `</body></message>`), nil},
		{"one byte too much is refused", fill(10*mega, `<message><body>`, `a`, `</body></message>`), receipts.ErrLimit},
		{"ten megabytes of references pass", fill(2*mega-50, `<message><body>`, `&lt;&`[:4], `</body></message>`), nil},
		{"ten megabytes of zeros in a reference pass", fill(10*mega-50, `<message id='&#`, `0`, `65;'/>`), nil},
		{"ten megabytes of a reference without an end are refused", fill(10*mega-50, `<message id='&#`, `0`, `'/>`), receipts.ErrSyntax},
		{"many beginnings of references are refused", fill(5*mega-50, `<message id='`, `&#`, `'/>`), receipts.ErrSyntax},
		{"ten megabytes of elements pass", fill(2*mega-50, `<message>`, `<a/>`, `</message>`), nil},
		{"ten megabytes of sections pass", fill(mega*10/12-50, `<message>`, `<![CDATA[]]>`, `</message>`), nil},
		{"ten megabytes of requests pass", fill(200_000, `<message>`, request, `</message>`), nil},
		{"ten megabytes of receipts pass", fill(200_000, `<message>`, receipt("a"), `</message>`), nil},
		{"ten megabytes of brackets pass", fill(10*mega-50, `<message>`, `]`, `</message>`), nil},
		{"ten megabytes of accents pass", fill(5*mega-50, `<message>`, "\u0301", `</message>`), nil},
		{"ten megabytes of characters near the forbidden ones pass", fill(3*mega-50, `<message>`, "\uffbf", `</message>`), nil},
		{"ten megabytes of unknown prefixes are refused", fill(mega, `<message>`, `<a:b/>`, `</message>`), receipts.ErrSyntax},
		{"many elements among many declarations pass", fill(mega/4, `<message`+distinct.String()+`>`, `<p0:a/>`, `</message>`), nil},
		{"many attributes are refused", `<message` + attributes.String() + `/>`, receipts.ErrLimit},
		{"great depth is refused", fill(100_000, `<message>`, `<a>`, ``), receipts.ErrLimit},
		{"a long name without an end is refused", fill(10*mega-50, `<message><`, `a`, ``), receipts.ErrSyntax},
		{"a long name beyond ASCII passes", fill(5*mega-50, `<message><`, `é`, `/></message>`), nil},
		{"a long namespace with references passes", fill(mega, `<message><a:b xmlns:a='&amp;`, `a`, `'/></message>`), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			began := time.Now()
			_, err := receipts.Scan([]byte(c.stanza))
			if !errors.Is(err, c.want) {
				t.Errorf("the error is %v", err)
			}
			if took := time.Since(began); took > 5*time.Second && !raced {
				t.Errorf("it takes %v", took)
			}
		})
	}
}

func TestHostileTokens(t *testing.T) {
	for _, c := range []struct{ name, stanza string }{
		{"great depth is refused", strings.Repeat(`<message>`, 100_000)},
		{"many attributes are refused", wide(1000)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := receipts.Read(within(c.stanza)); !errors.Is(err, receipts.ErrLimit) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

func TestCharactersAreCheckedEverywhere(t *testing.T) {
	for _, length := range []int{0, 5, 40, 200} {
		good := `<message id='` + strings.Repeat("a", length) + `'/>`
		for _, bad := range []string{"\x00", "\x1f", "\xff", "\xc3", "\uffff"} {
			for at := range len(good) + 1 {
				if _, err := receipts.Scan([]byte(good[:at] + bad + good[at:])); !errors.Is(err, receipts.ErrSyntax) {
					t.Errorf("%q at byte %d of %d passes: %v", bad, at, len(good), err)
				}
			}
		}
	}
}

func TestNothingIsLeftOfAnEarlierStanza(t *testing.T) {
	for range 100 {
		if _, err := receipts.Scan([]byte(asking)); err != nil {
			t.Fatal(err)
		}
		for _, bad := range []string{"", "<", "</a>", "<a></b>", "<a xmlns:p='urn:p'", "<p:a/>", "<a/></a>"} {
			if _, err := receipts.Scan([]byte(bad)); !errors.Is(err, receipts.ErrSyntax) {
				t.Fatalf("%q passes: %v", bad, err)
			}
		}
	}
}

func TestReceivedIsBounded(t *testing.T) {
	m, err := receipts.Scan([]byte(`<message>` + strings.Repeat(receipt("a"), 1000) + `</message>`))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(ids(m)); n != receipts.MaxReceived {
		t.Errorf("there are %d", n)
	}
	for range m.Received() {
		break // the iterator may be left early
	}
}

func TestScanDoesNotAllocate(t *testing.T) {
	if raced {
		t.Skip("the race detector empties pools")
	}
	for _, c := range []struct{ name, stanza string }{
		{"a message that asks", asking},
		{"a message that does not ask", silent},
		{"a receipt", acking},
		{"four receipts", `<message>` + receipt("a", "b", "c", "d") + `</message>`},
		{"an id with references", "<message id='&lt;&#10;\n' to='&amp;'><body>&gt;</body></message>"},
		{"a deep message", deep(receipts.MaxDepth)},
		{"prefixes", `<message xmlns:r='urn:xmpp:receipts' xmlns:p='http://example.com/a/rather/long/namespace' p:a='' r:a=''><r:request/><p:b/></message>`},
	} {
		t.Run(c.name, func(t *testing.T) {
			stanza := []byte(c.stanza)
			if n := testing.AllocsPerRun(100, func() {
				if _, err := receipts.Scan(stanza); err != nil {
					t.Fatal(err)
				}
			}); n != 0 {
				t.Errorf("it allocates %v times", n)
			}
		})
	}
}
