package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"

	"logkeep/internal/cli/walk"
)

// A yardstick is VictoriaLogs, a log store that people would pick instead, with
// the same rows in a process of its own: it seals nothing, has no tokens and no
// TLS, and answers before rows are durable. Its streams are the rows' levels,
// which is the best that it can be told about them: the filter of one question
// then finds its rows side by side.
type yardstick struct {
	program, folder, url string
	process              *exec.Cmd
}

// lineBody is how large a request of lines is.
const lineBody = 8 << 20

// What the yardstick has made of rows.
type kept struct {
	Rows   int
	Bytes  int64 // of JSON
	Took   time.Duration
	CPU    time.Duration // until nothing was merged any more
	Memory int64         // peak
	Stored int64         // on the disk
}

// openYardstick starts the program on an empty folder.
func openYardstick(ctx context.Context, program string) (*yardstick, error) {
	folder, err := os.MkdirTemp("", "logkeep-yardstick-")
	if err != nil {
		return nil, err
	}
	y := &yardstick{program: program, folder: folder}
	if err := y.start(ctx); err != nil {
		return nil, errors.Join(err, y.close())
	}
	return y, nil
}

// close stops the program and removes its rows.
func (y *yardstick) close() error {
	return errors.Join(y.stop(), os.RemoveAll(y.folder))
}

func (y *yardstick) start(ctx context.Context) error {
	at, err := walk.FreeAddress()
	if err != nil {
		return err
	}
	y.url = "http://" + at
	y.process = exec.Command(y.program, "-storageDataPath="+y.folder, "-retentionPeriod=100y", "-httpListenAddr="+at, "-loggerLevel=FATAL")
	var said bytes.Buffer
	y.process.Stderr = &said
	if err := y.process.Start(); err != nil {
		y.process = nil
		return fmt.Errorf("start the yardstick: %w", err)
	}
	err = until(ctx, func() (bool, error) {
		answer, err := http.Get(y.url + "/health")
		if err != nil {
			return false, nil // not yet
		}
		defer answer.Body.Close()
		return answer.StatusCode == http.StatusOK, nil
	})
	if err != nil {
		y.stop() // then it has said all
		return fmt.Errorf("start the yardstick: %w: %s", err, said.Bytes())
	}
	return nil
}

// stop ends the process once it has written what it has.
func (y *yardstick) stop() error {
	if y.process == nil {
		return nil
	}
	err := y.process.Process.Signal(os.Interrupt)
	y.process.Wait() // its status tells of the signal
	y.process = nil
	return err
}

// restart is what makes it cold.
func (y *yardstick) restart(ctx context.Context) error {
	if err := y.stop(); err != nil {
		return err
	}
	return y.start(ctx)
}

// fill sends rows, each a line, and waits until nothing is merged any more.
func (y *yardstick) fill(ctx context.Context, rows iter.Seq[[]byte]) (in kept, err error) {
	progress("the same rows to the yardstick")
	begin := time.Now()
	group, sending := errgroup.WithContext(ctx)
	group.SetLimit(inFlight)
	var body []byte
	send := func() {
		lines := body
		body, in.Bytes = nil, in.Bytes+int64(len(lines))
		group.Go(func() error {
			_, err := y.post(sending, "/insert/jsonline?_stream_fields=Level&_time_field=TimeGenerated&_msg_field=Message", "application/stream+json", lines)
			return err
		})
	}
	for row := range rows {
		in.Rows++
		body = append(append(body, row...), '\n')
		if len(body) >= lineBody && sending.Err() == nil {
			send()
		}
	}
	send()
	if err := group.Wait(); err != nil {
		return in, err
	}
	in.Took = time.Since(begin)
	for last := time.Duration(-1); in.CPU > last; {
		last = in.CPU
		select {
		case <-time.After(3 * time.Second):
		case <-ctx.Done():
			return in, ctx.Err()
		}
		if _, in.CPU, in.Memory, err = process(y.process.Process.Pid); err != nil {
			return in, err
		}
		in.CPU = in.CPU.Truncate(100 * time.Millisecond) // it is never quite at rest
	}
	if err := y.restart(ctx); err != nil { // it writes its last rows
		return in, err
	}
	err = sizes(y.folder, func(string) *int64 { return &in.Stored })
	return in, err
}

func (y *yardstick) post(ctx context.Context, path, kind string, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, y.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", kind)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("the yardstick answers %d: %.300s", answer.StatusCode, text)
	}
	return text, err
}

// ask takes the time until the last byte of the answer.
func (y *yardstick) ask(ctx context.Context, logsql string) (took time.Duration, a answer, err error) {
	begin := time.Now()
	text, err := y.post(ctx, "/select/logsql/query", "application/x-www-form-urlencoded", []byte(url.Values{"query": {logsql}}.Encode()))
	if err != nil {
		return 0, a, err
	}
	took = time.Since(begin)
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		var counted struct{ N string }
		if err := json.Unmarshal(lines.Bytes(), &counted); err != nil {
			return 0, a, fmt.Errorf("the yardstick's answer: %w", err)
		}
		a.rows++
		if n, err := strconv.ParseInt(counted.N, 10, 64); err == nil {
			a.add(n)
		}
	}
	return took, a, nil
}

// compared asks what the server was asked, whose answer is body.
func (y *yardstick) compared(ctx context.Context, st state, q question, body []byte) (took time.Duration, err error) {
	ours, err := answerOf(body)
	if err != nil {
		return 0, err
	}
	if err := st.yardstick(ctx, y); err != nil {
		return 0, err
	}
	took, theirs, err := y.ask(ctx, q.logsql)
	if err != nil {
		return 0, err
	}
	return took, agree(theirs, ours)
}

// agree says whether what both count is the same; where rows are selected, and
// n does not count, their number.
func agree(theirs, ours answer) error {
	if theirs.rows != ours.rows || theirs.sum > 0 && theirs.sum != ours.sum {
		return fmt.Errorf("the yardstick has %d rows and a sum of %d, the server %d and %d", theirs.rows, theirs.sum, ours.rows, ours.sum)
	}
	return nil
}

// print writes what its rows have cost, and what ours did, if rows of a file were
// sent both ways.
func (in *kept) print(line func(string, ...string), ours []stream) {
	each := float64(in.Rows) / in.CPU.Seconds()
	line("the yardstick, plain JSON: rows/s", count(float64(in.Rows)/in.Took.Seconds()))
	line("rows per CPU-second until in its parts", count(each))
	line("its peak memory; bytes on the disk", megabytes(in.Memory), megabytes(in.Stored))
	for _, st := range ours {
		line("Logkeep's rows per CPU-second by the yardstick's, "+st.way(), "", "", ratio(float64(st.Rows)/st.Settled.Seconds(), each), "5.00")
	}
}

// printYardstick writes its times beside ours; half of them is the aim.
func (r *report) printYardstick(to io.Writer) error {
	t := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "in turns, medians\tcold\tthe yardstick\tratio\twarm\tthe yardstick\tratio\taim\t\n")
	for i, one := range r.States {
		if i > 0 && r.States[i-1].Question == one.Question {
			continue
		}
		fmt.Fprint(t, one.Question)
		for _, state := range []string{"cold", "warm"} {
			of := r.state(one.Question, state)
			fmt.Fprintf(t, "\t%s\t%s\t%s", milliseconds(of.Took), milliseconds(of.Yardstick), ratio(float64(median(of.Took)), float64(median(of.Yardstick))))
		}
		fmt.Fprint(t, "\t0.50\t\n")
	}
	r.Yardstick.print(func(what string, cells ...string) {
		fmt.Fprintf(t, "%s\t%s\t\n", what, strings.Join(cells, "\t"))
	}, nil)
	return t.Flush()
}
