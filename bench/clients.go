package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
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
	CPU       time.Duration // of the server's processes, TLS handshakes included
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
	var clients sync.WaitGroup
	before, begin := s.used(), time.Now()
	for i := range n {
		clients.Go(func() {
			own := shared.Clone()
			defer own.CloseIdleConnections()
			for range crowdRounds {
				took, refused, broken, err := send(ctx, &http.Client{Transport: own}, address, token.Token, rows[i])
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
	if failed != nil {
		return c, failed
	}
	after := s.used()
	slices.Sort(all)
	c.Clients, c.Requests, c.Took, c.CPU, c.Memory, c.Files = n, len(all), time.Since(begin), after.cpu()-before.cpu(), after, s.files()
	c.Latencies.Median, c.Latencies.P99, c.Latencies.Most = all[len(all)/2], all[len(all)*99/100], all[len(all)-1]
	return c, nil
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
