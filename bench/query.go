package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// A question is asked of the server in its language, and of the engine beside
// it with the statement that this compiles to, and with SQL as a person would
// write it for an engine that has no sealing, no language and no other process.
type question struct {
	name, kql, sql string
	narrow         bool   // reads so little that what every query costs shows
	logsql         string // the same of the yardstick; texts are compared by case there, which is faster
}

func questions(l *logs) []question {
	from, to := l.at(3.4/7), l.at(3.4/7).Add(7*time.Hour)
	return []question{
		{"count by hour",
			large + ` | summarize count() by bin(TimeGenerated, 1h)`,
			`SELECT date_trunc('hour', Time), count(*) FROM logs GROUP BY ALL`, true,
			`* | stats by (_time:1h) count() n`},
		{"substring",
			large + ` | where Message contains "policy ` + needle + `" | count`,
			`SELECT count(*) FROM logs WHERE Message ILIKE '%policy ` + needle + `%'`, false,
			`_msg:~"policy ` + needle + `" | stats count() n`},
		{"top 10 with a filter",
			large + ` | where Level == "Error" | summarize Events = count() by Computer | top 10 by Events`,
			`SELECT Computer, count(*) FROM logs WHERE Level = 'Error' GROUP BY ALL ORDER BY 2 DESC LIMIT 10`, true,
			`Level:="Error" | stats by (Computer) count() n | sort by (n desc) limit 10`},
		{"one user, 7 hours, all columns",
			fmt.Sprintf(large+` | where TimeGenerated between (datetime(%s) .. datetime(%s)) and UserPrincipalName == %q`, from.Format(time.RFC3339), to.Format(time.RFC3339), l.frequent()),
			fmt.Sprintf(`SELECT * EXCLUDE TimeGenerated FROM logs WHERE Time BETWEEN TIMESTAMP '%s' AND TIMESTAMP '%s' AND UserPrincipalName = '%s'`, from.Format(time.DateTime), to.Format(time.DateTime), l.frequent()), true,
			fmt.Sprintf(`_time:[%s,%s] UserPrincipalName:=%q`, from.Format(time.RFC3339), to.Format("2006-01-02T15:04:05.000000Z"), l.frequent())},
		{"group by a JSON field",
			large + ` | summarize count() by tostring(Properties.app)`,
			`SELECT json_extract_string(Properties, '$.app'), count(*) FROM logs GROUP BY ALL`, false,
			`* | stats by (Properties.app) count() n`},
		{"regex",
			large + ` | where Message matches regex @"status 50[03] in 2\d{3}ms" | count`,
			`SELECT count(*) FROM logs WHERE regexp_matches(Message, 'status 50[03] in 2\d{3}ms')`, false,
			`_msg:~"status 50[03] in 2\\d{3}ms" | stats count() n`},
		{"one word",
			large + ` | where Message has "timeout" | count`,
			`SELECT count(*) FROM logs WHERE regexp_matches(Message, '(?i)\btimeout\b')`, false,
			`_msg:timeout | stats count() n`},
	}
}

// An answer is what must be equal in two of them: the number of rows, and the
// sum of all whole numbers in them that are no times.
type answer struct {
	rows int
	sum  int64
}

// add adds a whole number, unless it counts ticks of 100 ns since the year 1.
func (a *answer) add(n int64) {
	if n < 1e15 {
		a.sum += n
	}
}

// Asked are the times of one question: of the server, of the same statement on
// plain Parquet, and of SQL written by hand.
type asked struct {
	Name                              string
	Narrow                            bool
	Rows                              int
	Cold, Warm                        []time.Duration
	UnsealedCold, UnsealedWarm        []time.Duration // of the server that seals nothing
	PlainCold, PlainWarm, HandWritten []time.Duration
}

// ask measures one question: once of a worker that has just begun, then in
// turns of the worker, of that of the server that seals nothing, if there is
// one, and of the engine beside them.
func ask(ctx context.Context, s, off *site, base *baseline, q question, repeat int) (asked, error) {
	out := asked{Name: q.name, Narrow: q.narrow}
	same, err := base.compiled(q)
	if err != nil {
		return out, err
	}
	byHand := base.byHand(q)
	var ours answer
	for _, at := range []struct {
		*site
		cold *[]time.Duration
	}{{s, &out.Cold}, {off, &out.UnsealedCold}} {
		if at.site == nil {
			continue
		}
		if err := at.restart(ctx); err != nil {
			return out, err
		}
		took, body, err := at.query(ctx, q.kql)
		if err != nil {
			return out, err
		}
		*at.cold = append(*at.cold, took)
		if ours, err = answerOf(body); err != nil {
			return out, err
		}
	}
	out.Rows = ours.rows
	took, err := base.cold(ctx, same)
	if err != nil {
		return out, err
	}
	out.PlainCold = append(out.PlainCold, took)
	for range repeat {
		if took, _, err = s.query(ctx, q.kql); err != nil {
			return out, err
		}
		out.Warm = append(out.Warm, took)
		if off != nil {
			if took, _, err = off.query(ctx, q.kql); err != nil {
				return out, err
			}
			out.UnsealedWarm = append(out.UnsealedWarm, took)
		}
		if took, err = base.expect(ctx, same, ours); err != nil {
			return out, err
		}
		out.PlainWarm = append(out.PlainWarm, took)
		if took, err = base.expect(ctx, byHand, ours); err != nil {
			return out, err
		}
		out.HandWritten = append(out.HandWritten, took)
	}
	return out, nil
}

// query posts a query and takes the time until the last byte of the answer.
func (s *site) query(ctx context.Context, kql string) (took time.Duration, body []byte, err error) {
	token, err := s.Credential().GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{"https://api.loganalytics.io/.default"}})
	if err != nil {
		return 0, nil, err
	}
	text, err := json.Marshal(map[string]string{"query": kql})
	if err != nil {
		return 0, nil, err
	}
	begin := time.Now()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Query+"/v1/workspaces/"+s.workspace.CustomerID+"/query", bytes.NewReader(text))
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Authorization", "Bearer "+token.Token)
	r.Header.Set("Content-Type", "application/json")
	response, err := s.ARM().Transport.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	if body, err = io.ReadAll(response.Body); err != nil {
		return 0, nil, err
	}
	took = time.Since(begin)
	if response.StatusCode != http.StatusOK {
		return 0, nil, fmt.Errorf("status %d: %.500s", response.StatusCode, body)
	}
	return took, body, nil
}

func answerOf(body []byte) (a answer, err error) {
	var result struct {
		Tables []struct {
			Rows [][]json.RawMessage `json:"rows"`
		} `json:"tables"`
	}
	if err := json.Unmarshal(body, &result); err != nil || len(result.Tables) != 1 {
		return a, fmt.Errorf("the answer has %d tables (%v)", len(result.Tables), err)
	}
	for _, row := range result.Tables[0].Rows {
		a.rows++
		for _, cell := range row {
			if n, err := strconv.ParseInt(string(cell), 10, 64); err == nil {
				a.add(n)
			}
		}
	}
	return a, nil
}
