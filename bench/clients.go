package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"logkeep/internal/cli/client"
)

// Crowd is many clients that send one row at a time, each over a connection of
// its own.
type crowd struct {
	Clients   int
	Requests  int // acknowledged
	Refused   int // told to come again, and did
	Broken    int // connections that ended before an answer, and were made again
	Took      time.Duration
	CPU       time.Duration            // of the server's processes, TLS handshakes included
	First     time.Duration            // of it, for the first row of each, with its connection
	ByRole    map[string]time.Duration // CPU, apart
	Latencies struct{ Median, P99, Most time.Duration }
	Memory    usage
	Files     int // open in all processes, at the end, the connections among them
}

// crowdRounds is how many rows each of them sends.
const crowdRounds = 5

// crowd lets n clients send.
func (s *site) crowd(ctx context.Context, to client.Target, n int) (c crowd, err error) {
	token, err := s.Credential().GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{"https://monitor.azure.com/.default"}})
	if err != nil {
		return c, err
	}
	web, ok := s.ARM().Transport.(*http.Client)
	if !ok {
		return c, fmt.Errorf("the client's transport is a %T", s.ARM().Transport)
	}
	shared, ok := web.Transport.(*http.Transport)
	if !ok {
		return c, fmt.Errorf("the client's transport is a %T", web.Transport)
	}
	address := fmt.Sprintf("%s/dataCollectionRules/%s/streams/%s?api-version=2023-01-01", to.Endpoint, to.RuleID, to.Stream)
	var rows [][]byte
	for row := range newLogs(9, n).rows() {
		rows = append(rows, append(append([]byte{'['}, row...), ']'))
	}

	var mu sync.Mutex
	var all []time.Duration
	var failed error
	webs := make([]*http.Client, n)
	for i := range webs {
		own := shared.Clone()
		defer own.CloseIdleConnections()
		webs[i] = &http.Client{Transport: own}
	}
	rounds := func(rounds int) error {
		var clients sync.WaitGroup
		for i, web := range webs {
			clients.Go(func() {
				for range rounds {
					took, refused, broken, err := send(ctx, web, address, token.Token, rows[i])
					mu.Lock()
					if err != nil && failed == nil {
						failed = err
					}
					c.Refused, c.Broken = c.Refused+refused, c.Broken+broken
					all = append(all, took)
					mu.Unlock()
					if err != nil {
						return
					}
				}
			})
		}
		clients.Wait()
		return failed
	}
	before, begin := s.used(), time.Now()
	if err := rounds(1); err != nil {
		return c, err
	}
	c.First = s.used().cpu() - before.cpu()
	if err := rounds(crowdRounds - 1); err != nil {
		return c, err
	}
	after := s.used()
	slices.Sort(all)
	c.Clients, c.Requests, c.Took, c.CPU, c.Memory, c.Files = n, len(all), time.Since(begin), after.cpu()-before.cpu(), after, s.files()
	c.ByRole = map[string]time.Duration{}
	for role, cpu := range after.CPU {
		c.ByRole[role] = cpu - before.CPU[role]
	}
	c.Latencies.Median, c.Latencies.P99, c.Latencies.Most = all[len(all)/2], all[len(all)*99/100], all[len(all)-1]
	return c, nil
}

// measureCrowd lets them send to a server of their own, a few times: each time all of
// them connect anew.
func measureCrowd(ctx context.Context, o options, r *report) (err error) {
	progress("server, key, cluster and tables")
	s, end, err := serve(ctx, o.server, o.flags()...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	if _, err := s.upload(ctx, s.small, newLogs(2, 1000).rows(), false); err != nil {
		return err
	}
	stop, err := profile(s, o.perf, ".crowd")
	if err != nil {
		return err
	}
	defer stop()
	for range o.repeat {
		progress("%d clients, one row at a time", o.clients)
		c, err := s.crowd(ctx, s.small, o.clients)
		if err != nil {
			return err
		}
		r.Crowds = append(r.Crowds, c)
	}
	return nil
}

// print writes what a crowd has cost.
func (c *crowd) print(line func(string, ...string)) {
	each := func(d time.Duration, n int) string { return fmt.Sprintf("%.2f ms", d.Seconds()*1000/float64(n)) }
	line(fmt.Sprintf("%s clients, one row each: rows/s", count(float64(c.Clients))), count(float64(c.Requests)/c.Took.Seconds()))
	line("CPU for a request", each(c.CPU, c.Requests))
	line("CPU for a request that connects first", each(c.First, c.Clients))
	line("CPU for one that does not", each(c.CPU-c.First, c.Requests-c.Clients))
	for _, role := range slices.Sorted(maps.Keys(c.ByRole)) {
		line("CPU for a request, "+role, each(c.ByRole[role], c.Requests))
	}
	line("acknowledged after, median", milliseconds([]time.Duration{c.Latencies.Median}))
	line("acknowledged after, 99 of 100", milliseconds([]time.Duration{c.Latencies.P99}))
	line("told to come again; connections lost", count(float64(c.Refused)), count(float64(c.Broken)))
	line("open files of all processes", count(float64(c.Files)))
}

// most is how often a client makes a connection anew for one row.
const most = 10

// send sends one row until it is acknowledged.
func send(ctx context.Context, web *http.Client, address, token string, row []byte) (took time.Duration, refused, broken int, err error) {
	begin := time.Now()
	for {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(row))
		if err != nil {
			return 0, refused, broken, err
		}
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		answer, err := web.Do(r)
		var text []byte
		if err == nil {
			text, err = io.ReadAll(answer.Body)
			answer.Body.Close()
		}
		switch {
		case err != nil:
			if broken++; broken > most || ctx.Err() != nil {
				return 0, refused, broken, err
			}
			continue
		case answer.StatusCode == http.StatusNoContent:
			return time.Since(begin), refused, broken, nil
		case answer.StatusCode != http.StatusTooManyRequests || answer.Header.Get("Retry-After") == "":
			return 0, refused, broken, fmt.Errorf("status %d: %.300s", answer.StatusCode, text)
		}
		refused++
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return 0, refused, broken, ctx.Err()
		}
	}
}
