// Package metrics counts things and writes the counts as Prometheus reads them
// (text format 0.0.4). A Set is what one server tells; its families are made
// once, at the start, and written in that order.
//
// Label values may be names and ids. They are never what a customer stored.
package metrics

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// ContentType is what Set.Write writes.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// A Set is a number of families. It is safe for concurrent use.
type Set struct {
	mu       sync.Mutex
	families []family
}

type family struct {
	name, help, kind string
	write            func(w *bufio.Writer)
}

func (s *Set) add(f family) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.families = append(s.families, f)
}

// Write writes every family.
func (s *Set) Write(w io.Writer) error {
	s.mu.Lock()
	families := slices.Clone(s.families)
	s.mu.Unlock()
	b := bufio.NewWriter(w)
	for _, f := range families {
		fmt.Fprintf(b, "# HELP %s %s\n# TYPE %s %s\n", f.name, f.help, f.name, f.kind)
		f.write(b)
	}
	return b.Flush()
}

// A Counter only grows; there is one for each combination of label values.
type Counter struct {
	labels []string
	mu     sync.Mutex
	values map[string]float64
}

// Counter makes a family of counters.
func (s *Set) Counter(name, help string, labels ...string) *Counter {
	c := &Counter{labels: labels, values: map[string]float64{}}
	s.add(family{name, help, "counter", func(w *bufio.Writer) {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, key := range slices.Sorted(maps.Keys(c.values)) {
			line(w, name, key, c.values[key])
		}
	}})
	return c
}

// Add adds one for a combination of label values.
func (c *Counter) Add(values ...string) { c.Grow(1, values...) }

// Grow adds by, which is not negative, for a combination of label values.
func (c *Counter) Grow(by float64, values ...string) {
	key := pairs(c.labels, values)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.values[key] += by
}

// Gauge makes a family whose values are asked for when it is written: f calls
// set once for each combination of label values.
func (s *Set) Gauge(name, help string, labels []string, f func(set func(value float64, values ...string))) {
	s.add(family{name, help, "gauge", func(w *bufio.Writer) {
		f(func(value float64, values ...string) { line(w, name, pairs(labels, values), value) })
	}})
}

// A Histogram counts durations, in seconds, by their size.
type Histogram struct {
	labels []string
	bounds []float64
	mu     sync.Mutex
	values map[string]*sizes
}

type sizes struct {
	counts []uint64 // the last one for what is above all bounds
	sum    float64
	n      uint64
}

// Histogram makes a family of histograms with the given upper bounds.
func (s *Set) Histogram(name, help string, bounds []float64, labels ...string) *Histogram {
	h := &Histogram{labels: labels, bounds: bounds, values: map[string]*sizes{}}
	s.add(family{name, help, "histogram", func(w *bufio.Writer) {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, key := range slices.Sorted(maps.Keys(h.values)) {
			v := h.values[key]
			sum := uint64(0)
			for i, n := range v.counts {
				sum += n
				le := math.Inf(1)
				if i < len(h.bounds) {
					le = h.bounds[i]
				}
				line(w, name+"_bucket", join(key, pair("le", number(le))), float64(sum))
			}
			line(w, name+"_sum", key, v.sum)
			line(w, name+"_count", key, float64(v.n))
		}
	}})
	return h
}

// Observe counts one value.
func (h *Histogram) Observe(value float64, values ...string) {
	key := pairs(h.labels, values)
	h.mu.Lock()
	defer h.mu.Unlock()
	v := h.values[key]
	if v == nil {
		v = &sizes{counts: make([]uint64, len(h.bounds)+1)}
		h.values[key] = v
	}
	at, _ := slices.BinarySearch(h.bounds, value)
	v.counts[at]++
	v.sum += value
	v.n++
}

func line(w *bufio.Writer, name, labels string, value float64) {
	if labels != "" {
		name += "{" + labels + "}"
	}
	fmt.Fprintf(w, "%s %s\n", name, number(value))
}

func number(v float64) string {
	if math.IsInf(v, 1) {
		return "+Inf"
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

func pairs(labels, values []string) string {
	if len(labels) != len(values) {
		panic(fmt.Sprintf("internal error: %d values for the labels %v", len(values), labels))
	}
	all := ""
	for i, l := range labels {
		all = join(all, pair(l, values[i]))
	}
	return all
}

func pair(label, value string) string {
	return label + `="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(strings.ToValidUTF8(value, "�")) + `"`
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + "," + b
}
