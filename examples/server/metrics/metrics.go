// Copyright 2026 The untilack authors.
// Use of this source code is governed by the BSD 2-clause
// license that can be found in the LICENSE file.

// Package metrics counts what the server does, for Prometheus.
package metrics

import (
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/untilack/untilack"
)

// A Host is the part of the server that is not the Keeper.
type Host interface {
	Conns() int
	Sessions() int
	Failures() uint64
}

// Handler serves the numbers in Prometheus' text format.
func Handler(k *untilack.Keeper, h Host) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), keeper{k},
		gauge("xmpp_connections", "Connections, those that have not logged in included.", func() float64 { return float64(h.Conns()) }),
		gauge("xmpp_sessions", "Clients that are logged in.", func() float64 { return float64(h.Sessions()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "xmpp_login_failures_total", Help: "Logins that failed."},
			func() float64 { return float64(h.Failures()) }),
		gauge("untilack_waiting", "Messages that wait in memory.", func() float64 { return float64(k.Stats().Waiting) }),
		gauge("untilack_waiting_bytes", "Bytes of the messages that wait in memory.", func() float64 { return float64(k.Stats().Bytes) }),
		gauge("untilack_recipients", "Accounts for which messages wait in memory.", func() float64 { return float64(k.Stats().Recipients) }),
	)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

func gauge(name, help string, value func() float64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
}

// A keeper collects the counters of a Keeper, one for each reason.
type keeper struct{ *untilack.Keeper }

var events = prometheus.NewDesc("untilack_events_total", "What happened to messages and streams, by reason.", []string{"reason"}, nil)

// Describe implements prometheus.Collector.
func (keeper) Describe(to chan<- *prometheus.Desc) { to <- events }

// Collect implements prometheus.Collector.
func (k keeper) Collect(to chan<- prometheus.Metric) {
	for reason := untilack.Admitted; reason <= untilack.Overran; reason++ {
		label := strings.ReplaceAll(reason.String(), " ", "_")
		to <- prometheus.MustNewConstMetric(events, prometheus.CounterValue, float64(k.Count(reason)), label)
	}
}
