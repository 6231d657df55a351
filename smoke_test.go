package untilack_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/untilack/untilack"
)

type conn struct {
	name  string
	dead  bool
	got   []string
	s     *untilack.Session
	ended untilack.Reason
}

func (c *conn) Write(ctx context.Context, stanza []byte) error {
	c.got = append(c.got, string(stanza))
	return nil
}
func (c *conn) End(ctx context.Context, r untilack.Reason) error { c.ended = r; return nil }

func msg(id string) []byte {
	return []byte(fmt.Sprintf("<message from='romeo@montague.lit/orchard' to='juliet@capulet.lit' type='chat' id='%s'><body>hi</body><request xmlns='urn:xmpp:receipts'/></message>", id))
}

func TestSmoke(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, err := untilack.New(untilack.Config{Domain: "capulet.lit", Watch: func(e untilack.Event) { t.Log(e.Time.Format("04:05.000"), e.Reason, e.Resource, e.ID, e.Err) }})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		go k.Run(ctx)
		a := &conn{}
		s, err := k.Attach("juliet@capulet.lit/a", a, nil)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for i := range 5 {
			if err := s.Deliver(ctx, msg(fmt.Sprint("m", i))); err != nil {
				t.Fatal(err)
			}
		}
		t.Log(s.Receive([]byte("<message to='romeo@montague.lit/orchard'><received xmlns='urn:xmpp:receipts' id='m0'/></message>")))
		time.Sleep(10 * time.Second)
		b := &conn{}
		s2, err := k.Attach("juliet@capulet.lit/b", b, nil)
		if err != nil {
			t.Fatal(err)
		}
		s2.Deliver(ctx, msg("m5"))
		time.Sleep(6 * time.Second)
		t.Log("a", len(a.got), a.ended, "b", b.got)
		s2.Close(false)
		synctest.Wait()
		c := &conn{}
		s3, _ := k.Attach("juliet@capulet.lit/c", c, nil)
		s3.Deliver(ctx, msg("m6"))
		time.Sleep(time.Second)
		t.Log("c", c.got)
		t.Log(k.Waiting("juliet@capulet.lit"))
		cancel()
		synctest.Wait()
	})
}
