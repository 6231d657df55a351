// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Package login is how the examples' clients log in to any server: with what flags say, over
// TLS, and again when the stream has ended.
package login

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"time"

	"mellium.im/xmpp/jid"
)

// An Account says who logs in, and where.
type Account struct {
	Address  jid.JID // with a resource, if one is to be asked for
	Password string
	Server   string        // "host:port"; empty: the domain's, as DNS says
	TLS      string        // StartTLS, DirectTLS or NoTLS
	CAFile   string        // with certificates in PEM that are trusted; empty: the system's are
	Ping     time.Duration // how often Watch asks
}

// The values of Account.TLS.
const (
	StartTLS  = "starttls"
	DirectTLS = "direct"
	NoTLS     = "none"
)

// AddFlags adds the flags that fill in the account.
func (a *Account) AddFlags(flags *flag.FlagSet) {
	flags.Func("account", "the `address` to log in as, with the resource to ask for: name@domain/resource", func(s string) (err error) {
		a.Address, err = jid.Parse(s)
		return err
	})
	flags.StringVar(&a.Password, "password", os.Getenv("XMPP_PASSWORD"), "its password; better given by the environment's XMPP_PASSWORD, which others do not see")
	flags.Lookup("password").DefValue = "" // help must not show it
	flags.StringVar(&a.Server, "server", "", "the server's `host:port` (default: what DNS says of the address's domain)")
	flags.StringVar(&a.TLS, "tls", StartTLS, "starttls, direct, or none, which is for a server on loopback alone")
	flags.StringVar(&a.CAFile, "ca", "", "a `file` of certificates in PEM to trust (default: the system's)")
	flags.DurationVar(&a.Ping, "ping", time.Minute, "how often to ask the server whether it is there")
}

// Validate returns an error that says what of the account can not be.
func (a *Account) Validate() error {
	switch {
	case a.Address.Localpart() == "":
		return errors.New("-account needs an address like name@domain/resource")
	case a.Password == "":
		return errors.New("a password is needed: set XMPP_PASSWORD, or -password")
	case a.TLS != StartTLS && a.TLS != DirectTLS && a.TLS != NoTLS:
		return fmt.Errorf("-tls is starttls, direct or none, not %q", a.TLS)
	case a.TLS == NoTLS && !isLoopback(a.Server):
		return errors.New("-tls none needs a -server on loopback: the password would be for everybody to see")
	}
	if a.Ping <= 0 {
		return errors.New("-ping needs a time above 0")
	}
	_, err := a.tlsConfig()
	return err
}

// isLoopback reports whether a server is on this computer, without asking anybody.
func isLoopback(server string) bool {
	host, _, err := net.SplitHostPort(server)
	return err == nil && net.ParseIP(host).IsLoopback()
}

func (a *Account) tlsConfig() (*tls.Config, error) {
	config := &tls.Config{ServerName: a.Address.Domainpart(), MinVersion: tls.VersionTLS12}
	if a.TLS == DirectTLS {
		config.NextProtos = []string{"xmpp-client"} // XEP-0368 §2
	}
	if a.CAFile == "" {
		return config, nil
	}
	text, err := os.ReadFile(a.CAFile)
	if err != nil {
		return nil, err
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s has no certificate in PEM", a.CAFile)
	}
	return config, nil
}
