// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package nodes

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/untilack/untilack"
)

// notifyOfMail has PostgreSQL tell whoever listens that there is mail, when it is committed.
// Custody is no other node's business. It is run once, after sqlstore.Migrate.
const notifyOfMail = `
	CREATE FUNCTION untilack_notify() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN PERFORM pg_notify('untilack', ''); RETURN NULL; END $$;
	CREATE TRIGGER untilack_notify AFTER INSERT OR UPDATE OF custody ON untilack_rows
		FOR EACH ROW WHEN (NEW.custody = 0) EXECUTE FUNCTION untilack_notify()`

// Waits between two tries to connect.
const (
	firstWait   = 100 * time.Millisecond
	longestWait = 10 * time.Second
)

// listen calls wake when PostgreSQL says that there is mail, until ctx ends. It has a
// connection of its own. While that is broken, Config.PollEvery has the store asked.
func listen(ctx context.Context, source string, wake func()) {
	wait := firstWait
	for ctx.Err() == nil {
		connected, err := listenOnce(ctx, source, wake)
		if ctx.Err() != nil {
			return
		}
		log.Print("listen: ", err)
		if connected {
			wait = firstWait
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
		wait = min(2*wait, longestWait)
	}
}

// listenOnce listens on one connection until it breaks, and reports whether there was one.
func listenOnce(ctx context.Context, source string, wake func()) (connected bool, err error) {
	connecting, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := pgx.Connect(connecting, source)
	if err != nil {
		return false, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(connecting, "LISTEN untilack"); err != nil {
		return false, err
	}
	wake() // what has come while nobody listened
	for {
		if _, err := conn.WaitForNotification(ctx); err != nil {
			return true, err
		}
		wake()
	}
}

// A balcony is where Juliet's client reads.
type balcony chan []byte

// Write implements untilack.Conn.
func (b balcony) Write(_ context.Context, stanza []byte) error {
	select {
	case b <- stanza:
		return nil
	default:
		return untilack.ErrBusy
	}
}

// End implements untilack.Conn.
func (b balcony) End(context.Context, untilack.Reason) error { return nil }

// newNode returns a Keeper that asks the shared store once a minute, unless it is woken.
func newNode(ctx context.Context, source string) (*untilack.Keeper, error) {
	_, store, err := openStore(ctx, source)
	if err != nil {
		return nil, err
	}
	keeper, err := untilack.New(untilack.Config{Domain: "capulet.example", Store: store, PollEvery: time.Minute})
	if err == nil {
		go keeper.Run(ctx)
	}
	return keeper, err
}

// Two servers share a database, and PostgreSQL's LISTEN and NOTIFY wake the one for whose
// client the other has kept a message.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	source, err := newSource() // "postgres://untilack@db.capulet.example/mail"
	if err != nil {
		log.Fatal(err)
	}
	here, err := newNode(ctx, source)
	if err != nil {
		log.Fatal(err)
	}
	there, err := newNode(ctx, source)
	if err != nil {
		log.Fatal(err)
	}
	db, _, err := openStore(ctx, source)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, notifyOfMail); err != nil {
		log.Fatal(err)
	}
	go listen(ctx, source, func() { there.Wake(time.Now()) })

	// Juliet is there, and a message for her comes here.
	stream := make(balcony, 8)
	if _, err := there.Attach("juliet@capulet.example/balcony", stream, nil); err != nil {
		log.Fatal(err)
	}
	message := []byte("<message from='romeo@montague.example/orchard' to='juliet@capulet.example'" +
		" type='chat' id='m1'><body>…</body><request xmlns='urn:xmpp:receipts'/></message>")
	if err := here.Offline(ctx, message); err != nil {
		log.Fatal(err)
	}
	select {
	case <-stream:
		fmt.Println("Juliet has it")
	case <-ctx.Done():
		fmt.Println("it waits until the minute is over")
	}
	// Output:
	// Juliet has it
}
