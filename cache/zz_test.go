package cache_test

import (
	"testing"

	"github.com/untilack/untilack/cache"
)

func BenchmarkTiny(b *testing.B) {
	for _, tt := range []struct {
		name string
		w, t int
	}{{"w100 t64", 100, 64}, {"w100 none", 100, -1}, {"w100 t65536", 100, 0}, {"w10000 t64", 10000, 64}, {"w10000 none", 10000, -1}} {
		b.Run(tt.name, func(b *testing.B) {
			o := *unlimited
			o.Tombstones = tt.t
			puts, settles := newSample(tt.w), newSample(tt.w)
			c := cache.New(&o)
			now := start
			put := func(i int) {
				if _, err := c.Put(now, puts.packet(i), ackWait); err != nil {
					b.Fatal(err)
				}
			}
			settle := func(i int) {
				k := settles.packet(i).Key
				if c.Settle(now, cache.Receipt{To: k.To, Resource: throne, From: k.From, ID: k.ID}).Verdict != cache.Settled {
					b.Fatal("not settled")
				}
			}
			i := 0
			for ; i < tt.w+7; i++ {
				put(i)
			}
			for ; i < 200000; i++ {
				put(i)
				settle(i - tt.w - 7)
			}
			for b.Loop() {
				put(i)
				settle(i - tt.w - 7)
				i++
			}
		})
	}
}
