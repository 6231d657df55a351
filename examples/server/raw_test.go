// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// patience is how long what is waited for may take, on a machine that has much else to do.
const patience = 30 * time.Second

// testConfig is a server of a test's own: romeo, juliet and the nurse, passwords said in the
// clear, and little patience with receipts.
func testConfig(t testing.TB) Config {
	c := Config{
		Domain: "localhost", Store: filepath.Join(t.TempDir(), "mail.db"),
		Listen:   Addresses{TCP: "127.0.0.1:0", TLS: "127.0.0.1:0", HTTP: "127.0.0.1:0", HTTPS: "127.0.0.1:0"},
		Accounts: []string{"romeo:secret", "juliet:secret", "nurse:secret"},
		Plain:    true,
		AckWait:  500 * time.Millisecond,
		Log:      slog.New(slog.DiscardHandler),
	}
	c.Files.Certificate, c.Files.Key = filepath.Join(t.TempDir(), "certificate.pem"), filepath.Join(t.TempDir(), "key.pem")
	if os.Getenv("UNTILACK_LOG") != "" {
		c.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return c
}

// start starts a server, which is closed when the test ends.
func start(t testing.TB, c Config) *Server {
	t.Helper()
	s, err := Start(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error("closed:", err)
		}
	})
	return s
}

// A raw is a client that knows no XML: it writes text, and waits for text.
type raw struct {
	t         testing.TB
	conn      net.Conn
	webSocket bool
	got       string // what has come and was not waited for yet
	mute      bool   // whether it leaves pings unanswered
	answered  map[string]bool
}

// transports are the ways to connect a raw client.
var transports = map[string]func(testing.TB, Addresses) *raw{
	"tcp": func(t testing.TB, at Addresses) *raw { return dial(t, at.TCP) },
	"starttls": func(t testing.TB, at Addresses) *raw {
		c := dial(t, at.TCP)
		c.open()
		c.say("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>\n")
		c.await("<proceed")
		c.conn = tls.Client(c.conn, &tls.Config{InsecureSkipVerify: true})
		return c
	},
	"tls": func(t testing.TB, at Addresses) *raw {
		c := dial(t, at.TLS)
		c.conn = tls.Client(c.conn, &tls.Config{InsecureSkipVerify: true})
		return c
	},
	"websocket":     func(t testing.TB, at Addresses) *raw { return dialWeb(t, "ws://"+at.HTTP) },
	"websocket tls": func(t testing.TB, at Addresses) *raw { return dialWeb(t, "wss://"+at.HTTPS) },
}

func insecureClient() *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
}

func dial(t testing.TB, address string) *raw {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &raw{t: t, conn: conn}
}

func dialWeb(t testing.TB, address string) *raw {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	socket, _, err := websocket.Dial(ctx, address+"/xmpp-websocket", &websocket.DialOptions{
		Subprotocols: []string{"xmpp"}, HTTPClient: insecureClient(),
	})
	if err != nil {
		t.Fatal(err)
	}
	socket.SetReadLimit(1 << 20)
	t.Cleanup(func() { socket.CloseNow() })
	return &raw{t: t, conn: frames{websocket.NetConn(context.Background(), socket, websocket.MessageText), t, socket, new([]byte)}, webSocket: true}
}

// frames is a WebSocket that checks that each message is one element, whole (RFC 7395 §3.3.3).
type frames struct {
	net.Conn
	t      testing.TB
	socket *websocket.Conn
	rest   *[]byte
}

// Read implements net.Conn. It heeds no deadline but the test's patience.
func (f frames) Read(p []byte) (int, error) {
	if len(*f.rest) == 0 {
		ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
		defer cancel()
		_, message, err := f.socket.Read(ctx)
		if err != nil {
			return 0, io.EOF
		}
		var element struct {
			XMLName xml.Name
		}
		d := xml.NewDecoder(bytes.NewReader(message))
		err = d.Decode(&element)
		if _, more := d.Token(); err != nil || element.XMLName.Space == "" || more != io.EOF {
			f.t.Errorf("a message is not one element: %v: %s", err, message)
		}
		*f.rest = message
	}
	n := copy(p, *f.rest)
	*f.rest = (*f.rest)[n:]
	return n, nil
}

// say writes text; over a WebSocket it is one message.
func (c *raw) say(format string, args ...any) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c.conn, format, args...); err != nil {
		c.t.Fatal(err)
	}
}

// stanza writes a stanza.
func (c *raw) stanza(format string, args ...any) {
	c.t.Helper()
	text := fmt.Sprintf(format, args...)
	if c.webSocket {
		name := strings.IndexAny(text, " />")
		text = text[:name] + " xmlns='jabber:client'" + text[name:]
	}
	c.say("%s", text)
}

// await waits until the text comes, and returns what came before it, and it.
func (c *raw) await(text string) string {
	c.t.Helper()
	at := c.find(0, text)
	found := c.got[:at]
	c.got = c.got[at:]
	return found
}

// find waits until the text comes behind a place in what has come, and returns where it ends.
func (c *raw) find(from int, text string) (end int) {
	c.t.Helper()
	_ = c.conn.SetReadDeadline(time.Now().Add(patience))
	part := make([]byte, 4096)
	for {
		if at := strings.Index(c.got[from:], text); at >= 0 {
			return from + at + len(text)
		}
		n, err := c.conn.Read(part)
		c.got += string(part[:n])
		if err != nil && n == 0 {
			c.t.Fatalf("%v, and no %s, in: %s", err, text, c.got)
		}
		c.pong()
	}
}

var pings = regexp.MustCompile(`<iq [^>]*id=['"](untilack-[^'"]*)[^>]*><ping [^>]*/></iq>`)

// pong answers the pings that have come, if the client is not mute.
func (c *raw) pong() {
	for _, found := range pings.FindAllStringSubmatch(c.got, -1) {
		if c.mute || c.answered[found[1]] {
			continue
		}
		if c.answered == nil {
			c.answered = make(map[string]bool)
		}
		c.answered[found[1]] = true
		c.stanza("<iq type='result' id='%s' to='localhost'/>", found[1])
	}
}

// element waits for an element with that text in its first tag, and takes it out of what has
// come.
func (c *raw) element(name, text string) string {
	c.t.Helper()
	for from := 0; ; {
		start := c.find(from, "<"+name)
		end := c.find(start, ">")
		tag := c.got[start:end]
		if !strings.HasSuffix(tag, "/>") {
			end = c.find(end, "</"+name+">")
		}
		if strings.Contains(tag, text) {
			found := c.got[start-len("<"+name) : end]
			c.got = c.got[:start-len("<"+name)] + c.got[end:]
			return found
		}
		from = end
	}
}

// open opens a stream, and waits for its features.
func (c *raw) open() {
	c.t.Helper()
	if c.webSocket {
		c.say("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'/>")
		c.await("<open")
		c.await("</features>")
		return
	}
	c.say("<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='localhost' version='1.0'>\n")
	c.await("</stream:features>")
}

// login logs in.
func (c *raw) login(name, resource string) *raw {
	c.t.Helper()
	c.authenticate(name)
	c.stanza("<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>%s</resource></bind></iq>", resource)
	c.await("<jid>" + name + "@localhost/" + resource + "</jid>")
	c.await("</iq>")
	return c
}

// authenticate opens a stream, says who the client is, and opens another one.
func (c *raw) authenticate(name string) *raw {
	c.t.Helper()
	c.open()
	c.say("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%s</auth>",
		base64.StdEncoding.EncodeToString([]byte("\x00"+name+"\x00secret")))
	c.await("<success")
	c.await("</success>")
	c.open()
	return c
}

// present sends a presence, and returns when the server has taken it.
func (c *raw) present() *raw {
	c.t.Helper()
	c.stanza("<presence/>")
	c.sync()
	return c
}

// sync returns when the server has worked on all that was said, and what it wrote has come.
func (c *raw) sync() {
	c.t.Helper()
	c.stanza("<iq type='get' id='sync' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
	before := c.await("id='sync'")
	c.await(">")
	c.got = before[:strings.LastIndex(before, "<iq")] + c.got
}

// leave ends the stream in order.
func (c *raw) leave() {
	c.t.Helper()
	if c.webSocket {
		c.say("<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>")
	} else {
		c.say("</stream:stream>")
	}
	c.ends()
}

// ends waits for the end of the connection, and returns what came before.
func (c *raw) ends() string {
	c.t.Helper()
	_ = c.conn.SetReadDeadline(time.Now().Add(patience))
	rest, err := io.ReadAll(c.conn)
	if err != nil && os.IsTimeout(err) {
		c.t.Fatalf("the connection is open: %s%s", c.got, rest)
	}
	return c.got + string(rest)
}
