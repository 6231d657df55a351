// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package untilacktest_test

import (
	"testing"
	"time"

	"github.com/untilack/untilack/untilacktest"
)

const (
	juliet = "juliet@capulet.example"
	romeo  = "romeo@montague.example/orchard"
)

func TestAMessageOutlivesATunnel(t *testing.T) {
	world := untilacktest.New(t, nil)
	phone := world.Client(juliet + "/phone").LogsIn()
	phone.GoesDark()
	m := world.Send(romeo, juliet, "Art thou there?")
	world.Wait(time.Minute)
	phone.ComesBack()
	world.Wait(time.Second)
	phone.Got(m)
	world.EndsWell()
}
