// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

package main

import (
	"math"
	"time"
)

// A histogram counts durations, to some 5 % and within bounds.
type histogram struct {
	buckets [bucketCount]int
	count   int
	most    time.Duration
}

const (
	bucketCount = 400
	perDoubling = 16
)

func (h *histogram) add(d time.Duration) {
	bucket := int(perDoubling * math.Log2(1+float64(d)/float64(time.Millisecond)))
	h.buckets[min(max(0, bucket), bucketCount-1)]++
	h.count++
	h.most = max(h.most, d)
}

// quantile returns a duration that the given part of all does not exceed.
func (h *histogram) quantile(part float64) time.Duration {
	rest := int(math.Ceil(part * float64(h.count)))
	for bucket, n := range h.buckets {
		rest -= n
		if rest <= 0 {
			upper := math.Exp2(float64(bucket+1)/perDoubling) - 1
			return min(h.most, time.Duration(upper*float64(time.Millisecond)))
		}
	}
	return h.most
}
