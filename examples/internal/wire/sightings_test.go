// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package wire

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSightings cuts a raw stream at every place and expects the same messages.
func TestSightings(t *testing.T) {
	const stream = `<stream:stream xmlns='jabber:client'><messages/>` +
		`<message id="a" to='x'><body>1 &gt; 0</body></message> ` +
		`<iq id="no"><ping/></iq>` +
		`<message to="a>b"` + "\n" + `id='b'/>` +
		`<message type="error" id="bounced"><error/></message>` +
		`<message xmlns="jabber:client" xml:id="no" id="c"><received id="no"/></message>` +
		`<message><body>without an id</body></message>` +
		`<message id="unfinished"><body>`
	want := []string{"a", "b", "c"}
	for first := range len(stream) {
		for _, step := range []int{1, 7, len(stream)} {
			var got []string
			s := &Sightings{Seen: func(id string) { got = append(got, id) }}
			s.Look([]byte(stream[:first]))
			for at := first; at < len(stream); at += step {
				s.Look([]byte(stream[at:min(len(stream), at+step)]))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("cut at %d, then every %d (-want +got):\n%s", first, step, diff)
			}
		}
	}
}
