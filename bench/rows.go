package main

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"strconv"
	"time"

	"logkeep/internal/schema"
)

// columns of the table that the benchmarks fill.
var columns = []schema.Column{
	{Name: schema.TimeGenerated, Type: schema.DateTime}, {Name: "Computer", Type: schema.String},
	{Name: "Level", Type: schema.String}, {Name: "EventID", Type: schema.Int},
	{Name: "SourceIP", Type: schema.String}, {Name: "UserPrincipalName", Type: schema.String},
	{Name: "Message", Type: schema.String}, {Name: "Properties", Type: schema.Dynamic},
}

// needle is in one of about 80,000 messages.
const needle = "HOLD-K41"

// Logs are n made-up rows of a week, in the order of their time: 500 hosts,
// 20,000 people and 300 kinds of events, few of them often and most seldom;
// eight kinds of messages with much in them that never comes again, and a
// dynamic column whose later fields are not always there. The same seed and n
// give the same rows.
type logs struct {
	*rand.Rand
	n, made               int
	start                 time.Time
	hosts, people         []string
	events                []int
	host, person, event   *rand.Zipf
	services, sites, tier []string
}

const week = 7 * 24 * time.Hour

func newLogs(seed uint64, n int) *logs {
	r := rand.New(rand.NewPCG(seed, 0x62656e6368))
	l := &logs{
		Rand: r, n: n, start: time.Now().UTC().Truncate(24 * time.Hour).Add(-week),
		host: rand.NewZipf(r, 1.1, 20, 499), person: rand.NewZipf(r, 1.2, 10, 19_999), event: rand.NewZipf(r, 1.1, 5, 299),
		services: []string{"edge-proxy", "sshd", "kubelet", "checkout-api", "sign-in", "crond", "invoice-worker", "secret-agent", "router", "planner"},
		sites:    []string{"westeurope", "northeurope", "francecentral", "norwayeast", "italynorth", "polandcentral"},
		tier:     []string{"web", "db", "app", "pod"},
	}
	given := []string{"ada", "bent", "clara", "dirk", "elif", "femke", "gil", "hedda", "ines", "jonas", "kaja", "leo", "mette", "nora", "otto", "pia", "ruben", "siri", "tomas", "uma"}
	family := []string{"aas", "bakker", "conti", "dahl", "ek", "faber", "greco", "holm", "ivanov", "jensen", "koch", "lund", "meyer", "nowak", "otten", "pereira", "quist", "romano", "sato", "toth"}
	for i := range 500 {
		l.hosts = append(l.hosts, fmt.Sprintf("%s-%s-%03d.int.fabrikam.example", l.tier[i%4], l.sites[i%6], i))
	}
	for i := range 20_000 {
		l.people = append(l.people, fmt.Sprintf("%s.%s%d@fabrikam%d.example", given[r.IntN(20)], family[r.IntN(20)], i, i%7))
	}
	for range 300 {
		l.events = append(l.events, 1000+r.IntN(9000))
	}
	return l
}

// frequent is the person who comes up most often.
func (l *logs) frequent() string { return l.people[0] }

// at is the time at a part of the week.
func (l *logs) at(part float64) time.Time {
	return l.start.Add(time.Duration(part * float64(week)))
}

// rows yields each row as JSON. It may be used once; the bytes belong to the
// loop's body until it goes on.
func (l *logs) rows() iter.Seq[[]byte] { return l.next(l.n) }

// next yields the next n rows of those that are left.
func (l *logs) next(n int) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		b := make([]byte, 0, 2<<10)
		for range n {
			b = l.row(b[:0], l.at(float64(l.made)/float64(l.n)).Add(time.Duration(l.IntN(2_000_000))*time.Microsecond))
			l.made++
			if !yield(b) {
				return
			}
		}
	}
}

// share makes the next n rows and returns them, to be sent more than once.
func (l *logs) share(n int) iter.Seq[[]byte] {
	var all []byte
	ends := make([]int, 0, n)
	for row := range l.next(n) {
		all = append(all, row...)
		ends = append(ends, len(all))
	}
	return func(yield func([]byte) bool) {
		from := 0
		for _, end := range ends {
			if !yield(all[from:end]) {
				return
			}
			from = end
		}
	}
}

func (l *logs) row(b []byte, at time.Time) []byte {
	b = at.AppendFormat(append(b, `{"TimeGenerated":"`...), `2006-01-02T15:04:05.000000Z"`)
	b = text(b, "Computer", l.hosts[l.host.Uint64()])
	b = text(b, "Level", l.level())
	b = number(b, "EventID", l.events[l.event.Uint64()])
	b = text(b, "SourceIP", fmt.Sprintf("10.%d.%d.%d", l.IntN(4), l.IntN(256), l.IntN(256)))
	b = text(b, "UserPrincipalName", l.people[l.person.Uint64()])
	b = text(b, "Message", l.message())
	b = append(b, `,"Properties":{"app":"`...)
	b = append(b, l.service()...)
	b = append(b, '"')
	b = text(b, "region", l.sites[l.IntN(6)])
	b = number(b, "durationMs", l.IntN(5000))
	b = text(b, "requestId", l.hex(16))
	fields := l.IntN(5)
	if fields > 0 {
		b = number(b, "statusCode", 200+l.IntN(300))
	}
	if fields > 1 {
		b = text(b, "tenant", "tenant-"+strconv.Itoa(l.IntN(50)))
	}
	if fields > 2 {
		b = strconv.AppendBool(append(b, `,"success":`...), l.IntN(10) > 0)
	}
	if fields > 3 {
		b = fmt.Appendf(b, `,"tags":["prod","tier%d"]`, l.IntN(4))
	}
	return append(b, "}}"...)
}

func text(b []byte, name, value string) []byte {
	b = append(append(append(b, `,"`...), name...), `":"`...)
	return append(append(b, value...), '"')
}

func number(b []byte, name string, value int) []byte {
	b = append(append(append(b, `,"`...), name...), `":`...)
	return strconv.AppendInt(b, int64(value), 10)
}

func (l *logs) level() string {
	switch x := l.Float64(); {
	case x < 0.78:
		return "Information"
	case x < 0.90:
		return "Warning"
	case x < 0.96:
		return "Error"
	case x < 0.995:
		return "Verbose"
	}
	return "Critical"
}

func (l *logs) service() string { return l.services[l.IntN(10)] }

func (l *logs) hex(digits int) string {
	return fmt.Sprintf("%016x%016x", l.Uint64(), l.Uint64())[:digits]
}

// message is one of eight kinds; requests are three times as frequent as others.
func (l *logs) message() string {
	switch l.IntN(8) {
	case 0:
		return fmt.Sprintf("Upstream %s did not accept a connection: dial tcp 10.30.%d.%d:443: i/o timeout after %dms, attempt %d", l.service(), l.IntN(256), l.IntN(256), l.IntN(30_000), l.IntN(5))
	case 1:
		return fmt.Sprintf("Session %s opened over OIDC from device %s, second factor push, token valid for %ds", l.hex(16), l.hex(12), l.IntN(86_400))
	case 2:
		return fmt.Sprintf("Job %s-nightly-%d done: %d records read, %d passed over, no errors, checksum %s", l.service(), l.IntN(100_000), l.IntN(1_000_000), l.IntN(1000), l.hex(24))
	case 3:
		return fmt.Sprintf("Collector paused for %dms, more than allowed; heap %dMiB live, pod %s-%s-%s in namespace production", l.IntN(900), l.IntN(16_000), l.service(), l.hex(10), l.hex(5))
	case 4:
		verdict := "granted"
		if l.IntN(10_000) == 0 {
			verdict = "denied by policy " + needle
		}
		return fmt.Sprintf("Access to /subscriptions/%s/resourceGroups/rg-%d/providers/Storage/accounts/st%s checked: %s", l.hex(8), l.IntN(300), l.hex(8), verdict)
	}
	verbs := [...]string{"GET", "POST", "PUT", "DELETE"}
	paths := [...]string{"/api/v1/orders/", "/api/v2/people/", "/healthz/", "/sign-in/", "/api/v1/payments/", "/assets/img/", "/graphql/", "/api/v1/baskets/"}
	status := [...]int{200, 200, 200, 201, 204, 301, 400, 401, 404, 500, 503}
	return fmt.Sprintf("%s %s%d answered with status %d in %dms (trace=%s)", verbs[l.IntN(4)], paths[l.IntN(8)], l.IntN(1_000_000), status[l.IntN(11)], l.IntN(2500), l.hex(32))
}
