// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package middleware_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/untilack/untilack/client"
	"github.com/untilack/untilack/middleware"
)

// A message of which another session has written a copy is not Cancelled with the session that
// was to write it first.
func TestClientCopyInAnotherSession(t *testing.T) {
	tracker := client.NewTracker(&client.TrackerOptions{Account: juliet})
	first, _ := stalled(t, middleware.ClientOptions{Tracker: tracker, WriteTimeout: time.Hour})
	for _, id := range []string{"m0", "m1"} { // m0 may be begun
		if _, err := first.Send(t.Context(), read(toRomeo(id))); err != nil {
			t.Fatal(err)
		}
	}
	second := dial(t, &middleware.ClientOptions{Tracker: tracker}, nil)
	sent, _ := second.sends(t, toRomeo("m1"))
	_ = first.Session().Conn().Close()
	<-first.Done()
	if got := sent.Result().State; got != client.Waiting {
		t.Errorf("got %v, want waiting", got)
	}
	second.hears(t, acks("m1"))
	if r, err := sent.Wait(t.Context()); err != nil || r.State != client.Delivered {
		t.Errorf("got %v, %v", r, err)
	}
}

// What has waited for too long when a session begins has some seconds in which its receipt,
// which the server may have kept, can come.
func TestClientCatchesUp(t *testing.T) {
	for _, late := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			tracker := client.NewTracker(&client.TrackerOptions{Account: juliet, Retention: time.Minute})
			sent, err := tracker.Expect(time.Now(), client.Waited{ID: "m1", To: romeo.String(), Sent: time.Now().Add(-time.Hour)})
			if err != nil {
				t.Fatal(err)
			}
			session := dial(t, &middleware.ClientOptions{Tracker: tracker}, nil)
			want := client.Delivered
			if late {
				want = client.Expired
			} else {
				time.Sleep(time.Second) // the login takes its time
				session.hears(t, acks("m1"))
			}
			if r, err := sent.Wait(t.Context()); err != nil || r.State != want {
				t.Errorf("got %v, %v, want %v", r, err, want)
			}
		})
	}
}
