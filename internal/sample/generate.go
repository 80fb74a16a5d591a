package sample

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Generated makes n rows of a small company's systems over the day before
// until, in the order of time: web requests with bursts of errors, sign-ins
// with a few that somebody tries on, jobs, garbage collections, and audit
// lines. The same seed and arguments give the same rows.
func Generated(seed uint64, n int, until time.Time) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		c := newCompany(seed)
		start := until.Add(-24 * time.Hour)
		step := 24 * time.Hour / time.Duration(max(n, 1))
		for i := range n {
			at := start.Add(time.Duration(i)*step + time.Duration(c.IntN(1+int(step))))
			if !yield(c.line(at, float64(i)/float64(n)).Row()) {
				return
			}
		}
	}
}

// A company is a set of hosts, people and addresses that come back with the
// frequencies of real ones: few often, most seldom.
type company struct {
	*rand.Rand
	hosts, people, addresses []string
	often                    *rand.Zipf
	session                  int
}

func newCompany(seed uint64) *company {
	r := rand.New(rand.NewPCG(seed, 0x6c6f676b656570))
	c := &company{Rand: r, often: rand.NewZipf(r, 1.3, 4, 199)}
	sites := []string{"ams", "osl", "lis", "waw"}
	kinds := []string{"web", "api", "db", "edge", "batch"}
	for i := range 60 {
		c.hosts = append(c.hosts, fmt.Sprintf("%s-%s-%02d", kinds[i%len(kinds)], sites[i/len(kinds)%len(sites)], i))
	}
	first := []string{"ada", "ben", "chloe", "dario", "edith", "farid", "greta", "hanna", "ilya", "june", "kofi", "lena", "marek", "noor"}
	last := []string{"abbott", "brandt", "costa", "dekker", "egede", "fontaine", "gruber", "haugen", "ito", "jonas", "keller", "lopes"}
	for i := range 200 {
		c.people = append(c.people, fmt.Sprintf("%s.%s%d@fabrikam.example", first[i%len(first)], last[r.IntN(len(last))], i))
		c.addresses = append(c.addresses, fmt.Sprintf("10.%d.%d.%d", r.IntN(16), r.IntN(256), 1+r.IntN(254)))
	}
	return c
}

func pick[T any](c *company, of ...T) T { return of[c.IntN(len(of))] }

func (c *company) host() string { return c.hosts[int(c.often.Uint64())%len(c.hosts)] }
func (c *company) who() int     { return int(c.often.Uint64()) }

// line makes one line; progress is how far through the day it is.
func (c *company) line(at time.Time, progress float64) Line {
	switch k := c.IntN(20); {
	case k < 10:
		return c.request(at, progress)
	case k < 14:
		return c.signIn(at)
	case k < 17:
		return c.job(at)
	case k < 19:
		return c.collection(at)
	default:
		return c.audit(at)
	}
}

// request is a web request. Shortly after the middle of the day a backend is
// slow and fails: that is what somebody will want to find.
func (c *company) request(at time.Time, progress float64) Line {
	who := c.who()
	path := pick(c, "/api/orders", "/api/carts", "/api/payments", "/api/users", "/login", "/search", "/healthz", "/static/app.js")
	status, took := pick(c, 200, 200, 200, 200, 201, 204, 301, 304, 400, 404), c.ExpFloat64()*40
	if outage := progress > 0.55 && progress < 0.57; outage && path == "/api/payments" || c.IntN(400) == 0 {
		status, took = pick(c, 500, 502, 503, 504), 1000+c.ExpFloat64()*4000
	}
	level := "Information"
	if status >= 500 {
		level = "Error"
	} else if status >= 400 {
		level = "Warning"
	}
	verb := pick(c, "GET", "GET", "GET", "POST", "PUT", "DELETE")
	return Line{
		Time: at, Computer: c.host(), Source: "nginx", Level: level, EventID: status,
		UserName: c.people[who], SourceIP: c.addresses[who], DurationMs: float64(int(took*1000)) / 1000,
		Message:    fmt.Sprintf("%s %s/%d %d %.0fms trace=%016x", verb, path, c.IntN(100_000), status, took, c.Uint64()),
		Properties: c.properties(`{"verb":%q,"path":%q,"status":%d,"bytes":%d,"region":%q,"cached":%t}`, verb, path, status, c.IntN(1<<16), pick(c, "westeurope", "northeurope", "eastus"), c.IntN(3) == 0),
	}
}

func (c *company) signIn(at time.Time) Line {
	c.session++
	who := c.who()
	l := Line{Time: at, Computer: c.host(), Source: "sshd", Level: "Information", EventID: 4624, UserName: c.people[who], SourceIP: c.addresses[who]}
	if c.IntN(12) == 0 { // somebody tries names from one place
		l.Level, l.EventID, l.SourceIP = "Warning", 4625, fmt.Sprintf("203.0.113.%d", 1+c.IntN(8))
		l.Message = fmt.Sprintf("Failed password for invalid user %s from %s port %d ssh2", pick(c, "root", "admin", "oracle", "test", "ubuntu"), l.SourceIP, 1024+c.IntN(60000))
		l.Properties = c.properties(`{"method":"password","attempt":%d}`, 1+c.IntN(6))
		return l
	}
	l.Message = fmt.Sprintf("Accepted publickey for %s from %s port %d ssh2: ED25519 SHA256:%016x", l.UserName, l.SourceIP, 1024+c.IntN(60000), c.Uint64())
	l.Properties = c.properties(`{"method":"publickey","session":%d}`, c.session)
	return l
}

func (c *company) job(at time.Time) Line {
	name, rows := pick(c, "invoice-export", "stock-sync", "mail-digest", "index-rebuild", "backup"), c.IntN(50_000)
	l := Line{Time: at, Computer: c.host(), Source: "scheduler", Level: "Information", EventID: 700, DurationMs: float64(c.IntN(600_000))}
	l.Message = fmt.Sprintf("job %s finished: %d rows in %.1fs", name, rows, l.DurationMs/1000)
	if c.IntN(25) == 0 {
		l.Level, l.EventID = "Error", 701
		l.Message = fmt.Sprintf("job %s failed after %.1fs: dial tcp 10.20.%d.%d:5432: i/o timeout", name, l.DurationMs/1000, c.IntN(256), c.IntN(256))
	}
	l.Properties = c.properties(`{"job":%q,"rows":%d,"tags":["nightly","tier%d"]}`, name, rows, c.IntN(3))
	return l
}

func (c *company) collection(at time.Time) Line {
	pause, heap := c.ExpFloat64()*20, c.IntN(16_000)
	return Line{
		Time: at, Computer: c.host(), Source: "jvm", Level: pick(c, "Verbose", "Verbose", "Information"), EventID: 30, DurationMs: float64(int(pause*1000)) / 1000,
		Message:    fmt.Sprintf("GC pause %.1fms, heap %d MiB", pause, heap),
		Properties: c.properties(`{"collector":%q,"heapMiB":%d}`, pick(c, "G1", "ZGC"), heap),
	}
}

func (c *company) audit(at time.Time) Line {
	who := c.who()
	l := Line{Time: at, Computer: c.host(), Source: "audit", Level: "Information", EventID: 4670, UserName: c.people[who], SourceIP: c.addresses[who]}
	verdict := "granted"
	if c.IntN(30) == 0 {
		verdict, l.Level = "denied", "Critical"
	}
	object := fmt.Sprintf("/vault/secret/%06x", c.IntN(1<<24))
	l.Message = fmt.Sprintf("%s asked to read %s: %s", l.UserName, object, verdict)
	l.Properties = c.properties(`{"object":%q,"verdict":%q,"delegated":null}`, object, verdict)
	return l
}

func (c *company) properties(format string, args ...any) jsontext.Value {
	return jsontext.Value(fmt.Sprintf(format, args...))
}
