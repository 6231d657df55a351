// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package clients

import (
	"flag"
	"os"
	"testing"

	"github.com/untilack/untilack/internal/integration/servers"
)

var messages = flag.Int("messages", 120, "how many messages go each way")

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	servers.StopShared()
	os.Exit(code)
}
