package untilack_test

import (
	"fmt"
	"regexp"
	"sort"
	"strings"
	"testing"
)

func TestTriage(t *testing.T) {
	best := map[string][]byte{}
	count := map[string]int{}
	key := func(b *breach) string {
		w := b.what
		if i := strings.Index(w, ") "); i > 0 {
			w = w[i:]
		}
		w = regexp.MustCompile("[0-9]+|\\(.*\\)").ReplaceAllString(w, "")
		if len(w) > 40 {
			w = w[:40]
		}
		return b.rule + " | " + w
	}
	var n uint64
	for n = range worlds(t, 3000) {
		data := throw(n)
		_, b := simulate(data)
		if b == nil {
			continue
		}
		k := key(b)
		count[k]++
		if best[k] == nil || len(data) < len(best[k]) {
			best[k] = data
		}
	}
	keys := []string{}
	for k := range count {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool { return count[keys[i]] > count[keys[j]] })
	fmt.Println(n+1, "worlds")
	for _, k := range keys {
		data := shrinkKey(best[k], k, key)
		_, b := simulate(data)
		fmt.Printf("==== %d x %s\n%s\n%x\n", count[k], k, strings.ReplaceAll(b.String(), strings.Repeat("x", 200), ""), data)
	}
}

func shrinkKey(data []byte, k string, key func(*breach) string) []byte {
	ok := func(d []byte) bool { _, b := simulate(d); return b != nil && key(b) == k }
	for size := len(data) / 2; size > 0; {
		smaller := false
		for at := 0; at+size <= len(data); at++ {
			rest := append(append([]byte(nil), data[:at]...), data[at+size:]...)
			if ok(rest) {
				data, smaller = rest, true
			}
		}
		if !smaller {
			size /= 2
		}
	}
	for i := range data {
		old := data[i]
		for _, v := range []byte{0, 1, 2} {
			if v < old {
				data[i] = v
				if ok(data) {
					break
				}
				data[i] = old
			}
		}
	}
	return data
}
