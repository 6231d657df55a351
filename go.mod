module github.com/untilack/untilack

go 1.26.0

require (
	github.com/google/go-cmp v0.7.0
	go.uber.org/goleak v1.3.0
	mellium.im/xmlstream v0.15.4
	mellium.im/xmpp v0.23.0
)
