package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	vegeta "github.com/tsenart/vegeta/v12/lib"

	"logkeep/internal/cli/client"
	"logkeep/internal/cli/walk"
)

// The control plane under load: many clients read and write resources of a
// catalog that is full, at a steady rate, whatever the server makes of it (an
// open loop: a slow answer delays no request). Every request has a token and is
// authorised; every write is durable, and in the activity log, when it is
// answered.

// A plane is what was measured of the control plane.
type plane struct {
	Resources     int
	Reads, Writes attack // at the same time
	CPU           time.Duration
}

// An attack is one kind of request at a steady rate.
type attack struct {
	Wanted, Rate  float64 // a second: asked for, and answered with success
	Median, P99   time.Duration
	Longest       time.Duration
	Failed        int
	FirstFailures []string
}

// planeOptions say how much there is and how much is asked.
type planeOptions struct {
	resources, reads, writes int
	last                     time.Duration
}

// measurePlane fills a server of its own and asks it.
func measurePlane(ctx context.Context, server string, o planeOptions) (_ plane, err error) {
	own, err := walk.Serve(ctx, server, "--throttling", "off")
	if err != nil {
		return plane{}, err
	}
	defer func() {
		own.Kill()
		err = errors.Join(err, own.Remove())
	}()
	c, err := client.Open(ctx, client.Where{URL: own.URL, DataDir: own.DataDir}, client.Options{})
	if err != nil {
		return plane{}, err
	}
	defer c.Close()
	token, err := c.Credential().GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{"https://management.azure.com/.default"}})
	if err != nil {
		return plane{}, err
	}
	// As az, Python and Node do: a connection each, HTTP/1.1.
	many := c.HTTP().Transport.(*http.Transport).Clone()
	many.MaxIdleConnsPerHost, many.MaxConnsPerHost = connections, connections
	many.ForceAttemptHTTP2, many.Protocols = false, new(http.Protocols)
	many.Protocols.SetHTTP1(true)
	many.TLSClientConfig.NextProtos = nil // of the client that it was cloned from
	defer many.CloseIdleConnections()
	p := &visitors{url: own.URL, sub: c.SubscriptionID, header: http.Header{"Authorization": {"Bearer " + token.Token}, "Content-Type": {"application/json"}}, client: &http.Client{Transport: many, Timeout: time.Minute}}
	out := plane{Resources: o.resources}
	progress("%d resources for the control plane", o.resources)
	if err := p.fill(ctx, o.resources); err != nil {
		return plane{}, err
	}
	defer debug.SetGCPercent(debug.SetGCPercent(800)) // the clients are on the same cores
	progress("%d reads and %d writes a second, for %s", o.reads, o.writes, o.last)
	p.attack(ctx, p.read, o.reads, 2*time.Second) // connections and caches are warm
	s := &site{own: own}
	before := s.used()
	var both sync.WaitGroup
	both.Go(func() { out.Reads = p.attack(ctx, p.read, o.reads, o.last) })
	both.Go(func() { out.Writes = p.attack(ctx, p.write, o.writes, o.last) })
	both.Wait()
	out.CPU = s.used().cpu() - before.cpu()
	return out, nil
}

// Visitors are clients with one identity.
type visitors struct {
	url, sub string
	header   http.Header
	client   *http.Client
	groups   int
	made     int
	counter  atomic.Int64
}

const (
	inGroup     = 100 // resources of a group
	connections = 64  // of all clients
)

func (p *visitors) group(i int) string {
	return fmt.Sprintf("%s/subscriptions/%s/resourceGroups/group-%d", p.url, p.sub, i)
}

func (p *visitors) resource(i int) string {
	return fmt.Sprintf("%s/providers/Microsoft.Insights/dataCollectionEndpoints/endpoint-%d", p.group(i/inGroup), i)
}

// fill makes groups with collection endpoints in them.
func (p *visitors) fill(ctx context.Context, n int) error {
	put := func(url, body string) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodPut, url, strings.NewReader(body))
		if err != nil {
			return err
		}
		r.Header = p.header
		answer, err := p.client.Do(r)
		if err != nil {
			return err
		}
		io.Copy(io.Discard, answer.Body) // so that the connection is kept
		answer.Body.Close()
		if answer.StatusCode >= 300 {
			return fmt.Errorf("PUT %s: %s", url, answer.Status)
		}
		return nil
	}
	for p.groups*inGroup < n {
		if err := put(p.group(p.groups)+"?api-version=2021-04-01", `{"location":"westeurope"}`); err != nil {
			return err
		}
		p.groups++
	}
	var next atomic.Int64
	failures := make(chan error, 16)
	var workers sync.WaitGroup
	for range cap(failures) {
		workers.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := put(p.resource(i)+"?api-version=2023-03-11", `{"location":"westeurope","properties":{"networkAcls":{"publicNetworkAccess":"Enabled"}}}`); err != nil {
					failures <- err
					return
				}
			}
		})
	}
	workers.Wait()
	close(failures)
	p.made = n
	return <-failures
}

// read asks for one of the resources; one request of fifty is for a group's list.
func (p *visitors) read(t *vegeta.Target) error {
	t.Method, t.Header, t.Body = http.MethodGet, p.header, nil
	if p.counter.Add(1)%50 == 0 {
		t.URL = p.group(rand.IntN(p.groups)) + "/providers/Microsoft.Insights/dataCollectionEndpoints?api-version=2023-03-11"
		return nil
	}
	t.URL = p.resource(rand.IntN(p.made)) + "?api-version=2023-03-11"
	return nil
}

// write changes the tags of one of the resources.
func (p *visitors) write(t *vegeta.Target) error {
	t.Method, t.Header = http.MethodPatch, p.header
	t.URL = p.resource(rand.IntN(p.made)) + "?api-version=2023-03-11"
	t.Body = fmt.Appendf(nil, `{"tags":{"turn":"%d"}}`, p.counter.Add(1))
	return nil
}

// attack sends requests at a steady rate.
func (p *visitors) attack(ctx context.Context, target vegeta.Targeter, rate int, last time.Duration) attack {
	a := vegeta.NewAttacker(vegeta.Client(p.client), vegeta.Workers(32), vegeta.MaxWorkers(512))
	var m vegeta.Metrics
	var failures []string
	for r := range a.Attack(target, vegeta.Rate{Freq: rate, Per: time.Second}, last, "") {
		m.Add(r)
		if r.Code >= 300 && len(failures) < 3 || r.Error != "" && len(failures) < 3 {
			failures = append(failures, fmt.Sprintf("%d %s %.200s", r.Code, r.Error, r.Body))
		}
		if ctx.Err() != nil {
			a.Stop()
		}
	}
	m.Close()
	return attack{Wanted: float64(rate), Rate: m.Throughput, Median: m.Latencies.P50, P99: m.Latencies.P99, Longest: m.Latencies.Max,
		Failed: int(m.Requests) - int(float64(m.Requests)*m.Success+0.5), FirstFailures: slices.Clip(failures)}
}

// print writes the lines of the table, or none if nothing was measured.
func (p plane) print(line func(string, ...string)) {
	if p.Resources == 0 {
		return
	}
	for _, a := range []struct {
		what string
		attack
	}{{"reads", p.Reads}, {"writes", p.Writes}} {
		line(fmt.Sprintf("control plane, %d resources: %s/s", p.Resources, a.what), fmt.Sprintf("%.0f", a.Rate), "", "", fmt.Sprintf("%.0f", a.Wanted))
		line("median", milli(a.Median))
		line("99th percentile", milli(a.P99), "", "", "50.0 ms")
		line("longest", milli(a.Longest))
		if a.Failed > 0 {
			line("failed", fmt.Sprint(a.Failed), "", "", "0")
			fmt.Fprintln(os.Stderr, strings.Join(a.FirstFailures, "\n"))
		}
	}
	line("CPU of the server meanwhile", fmt.Sprintf("%.1f s", p.CPU.Seconds()))
}

// printPlane writes these lines alone.
func (r *report) printPlane(to io.Writer) error {
	t := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	r.Plane.print(func(what string, cells ...string) {
		if len(cells) > 3 {
			cells = []string{cells[0], "aim " + cells[3]}
		}
		fmt.Fprintf(t, "%s\t%s\t\n", what, strings.Join(cells, "\t"))
	})
	return t.Flush()
}

func milli(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/1e6) }
