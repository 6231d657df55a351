// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package nodes

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/untilack/untilack/actions/sqlstore"
	"github.com/untilack/untilack/internal/integration/crashtest"
	"github.com/untilack/untilack/internal/integration/postgres"
)

// A cluster is some nodes on one database, of which some may be dead.
type cluster struct {
	job crashtest.Job

	mu    sync.Mutex
	nodes []*crashtest.Process // nil: dead
	done  crashtest.State      // of those that have died
}

// newCluster starts some nodes on a new database.
func newCluster(t *testing.T, nodes int, j crashtest.Job) *cluster {
	t.Helper()
	var err error
	if j.Source, err = postgres.Need(t).NewSchema(); err != nil {
		t.Fatal(err)
	}
	j.Dialect, j.RetryWait = sqlstore.PostgreSQL, 50*time.Millisecond
	c := &cluster{job: j, nodes: make([]*crashtest.Process, nodes)}
	t.Cleanup(func() { c.stop(t) })
	for i := range nodes {
		if err := c.start(i); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// stop ends all nodes.
func (c *cluster) stop(t *testing.T) {
	for _, p := range c.nodes {
		if p == nil {
			continue
		}
		complaints, err := p.Kill()
		if err != nil {
			t.Error(err)
		}
		logComplaints(t, complaints)
	}
}

func logComplaints(t *testing.T, complaints string) {
	if complaints != "" {
		t.Logf("a node said: %.500s", complaints)
	}
}

func (c *cluster) address(number int) (address string, lives bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.nodes[number%len(c.nodes)]; p != nil {
		return p.Address, true
	}
	return "", false
}

// any returns the address of some node that lives. One always does.
func (c *cluster) any(random *rand.Rand) string {
	for {
		if address, lives := c.address(random.IntN(len(c.nodes))); lives {
			return address
		}
	}
}

// start starts a node.
func (c *cluster) start(number int) error {
	p, err := crashtest.Start(c.job)
	if p != nil {
		c.mu.Lock()
		c.nodes[number] = p
		c.mu.Unlock()
	}
	return err
}

// kill kills a node, and returns what it has complained of.
func (c *cluster) kill(ctx context.Context, number int) (complaints string, err error) {
	p := c.node(number)
	last, _ := p.State(ctx)
	c.mu.Lock()
	c.nodes[number] = nil
	c.done.Add(last)
	c.mu.Unlock()
	return p.Kill()
}

func (c *cluster) node(number int) *crashtest.Process {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nodes[number]
}

// state returns what all nodes together have, and what they have done.
func (c *cluster) state(ctx context.Context) (crashtest.State, error) {
	sum := c.done
	for i := range c.nodes {
		s, err := c.node(i).State(ctx)
		if err != nil {
			return crashtest.State{}, err
		}
		sum.Add(s)
		sum.Rows, sum.Packets = s.Rows, sum.Packets+s.Packets
	}
	return sum, nil
}

// empty waits until nothing is left, in the store or at any node.
func (c *cluster) empty(ctx context.Context) (crashtest.State, error) {
	return crashtest.Reach(ctx, c.state, crashtest.State.IsEmpty)
}
