// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilack_test

import (
	"os/exec"
	"strings"
	"testing"
)

// module is the path of the root module.
const module = "github.com/untilack/untilack"

// house says, for each package, what must not be among all that it imports,
// directly or not, and why.
var house = map[string]map[string]string{
	"/internal/wheel": {
		"net":     "a wheel knows deadlines alone",
		"github":  "standard library alone",
		"mellium": "standard library alone",
	},
	"/cache": {
		"net":                      "the cache does no input or output",
		"encoding/xml":             "to the cache a stanza is bytes",
		"mellium":                  "standard library alone",
		"database/sql":             "the cache does no input or output",
		module + "/actions":        "imports run one way",
		module + "/receipts":       "imports run one way",
		"github.com/google/go-cmp": "tests alone compare structures",
		"testing":                  "tests alone test",
	},
	"/actions": {
		"net":                "an action that needs a network brings it along",
		"encoding/xml":       "to an action a stanza is bytes",
		"mellium":            "standard library and cache alone",
		"database/sql":       "a store's driver is its own",
		module + "/receipts": "imports run one way",
		"testing":            "the conformance suite is a package of its own",
	},
	"/actions/sqlstore": {
		"net":                            "a connection is the driver's",
		"encoding/xml":                   "to a store a stanza is bytes",
		"mellium":                        "standard library, cache and actions alone",
		"modernc.org/sqlite":             "the database is handed in",
		"github.com/jackc/pgx/v5":        "the database is handed in",
		"github.com/jackc/pgx/v5/stdlib": "the database is handed in",
		"github.com/lib/pq":              "the database is handed in",
		module:                           "imports run one way",
		module + "/receipts":             "imports run one way",
		"testing":                        "tests alone test",
	},
	"/receipts": {
		"mellium.im/xmpp":   "the codec knows no session",
		"crypto/tls":        "the codec knows no session",
		"net/http":          "the codec knows no session",
		module + "/cache":   "what a message says does not depend on what waits",
		module + "/actions": "imports run one way",
		"testing":           "tests alone test",
	},
	"/client": {
		"mellium.im/xmpp":      "both ends know bytes and addresses alone",
		"crypto/tls":           "both ends open no connection",
		"net/http":             "both ends open no connection",
		"database/sql":         "what is kept is handed in",
		module:                 "imports run one way",
		module + "/cache":      "a client holds no packets",
		module + "/actions":    "imports run one way",
		module + "/middleware": "imports run one way",
		"testing":              "tests alone test",
	},
	"": {
		"mellium.im/xmpp":      "the Keeper knows bytes and addresses alone",
		"crypto/tls":           "the Keeper opens no connection",
		"net/http":             "the Keeper opens no connection",
		"database/sql":         "a store is handed in",
		module + "/middleware": "imports run one way",
		"testing":              "tests alone test",
	},
	"/untilacktest": {
		"mellium.im/xmpp":      "the World knows bytes and addresses alone",
		"crypto/tls":           "the World opens no connection",
		"net/http":             "the World opens no connection",
		module + "/middleware": "imports run one way",
	},
	"/middleware": {
		"database/sql": "a store is handed in",
		"testing":      "tests alone test",
	},
}

func TestImportsRunOneWay(t *testing.T) {
	for pkg, forbidden := range house {
		for _, dependency := range dependencies(t, module+pkg) {
			for path, why := range forbidden {
				if dependency == path || dependency != module && isPrefix(path, dependency) {
					t.Errorf("%s imports %s: %s", module+pkg, dependency, why)
				}
			}
		}
	}
}

// isPrefix reports whether path stands for a whole family of packages, to which
// dependency belongs.
func isPrefix(path, dependency string) bool {
	switch path {
	case "mellium":
		return strings.HasPrefix(dependency, "mellium.im/")
	case "github":
		return strings.HasPrefix(dependency, "github.com/") && !strings.HasPrefix(dependency, module+"/internal/")
	}
	return false
}

func dependencies(t *testing.T, pkg string) []string {
	t.Helper()
	out, err := exec.Command("go", "list", "-deps", pkg).Output()
	if err != nil {
		t.Fatalf("go list -deps %s: %v", pkg, err)
	}
	return strings.Fields(string(out))
}
