module github.com/untilack/untilack/benchmarks

go 1.26.0

require (
	github.com/RussellLuo/timingwheel v0.0.0-20220218152713-54845bda3108
	github.com/jellydator/ttlcache/v3 v3.4.1
	github.com/maypok86/otter/v2 v2.4.0
	github.com/puzpuzpuz/xsync/v4 v4.5.0
	github.com/untilack/untilack v0.0.0-00010101000000-000000000000
)

require golang.org/x/sync v0.19.0 // indirect

replace github.com/untilack/untilack => ../
