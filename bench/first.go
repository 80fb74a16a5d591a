package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"logkeep/internal/cli/walk"
	"logkeep/internal/worker/wire"
)

// A First is what one first answer cost: the key was away, and comes back. The
// time is that of a question that comes when it is back.
type First struct {
	Took time.Duration
	CPU  map[string]time.Duration // by role, until the answer
}

// measureFirst asks one question of processes that are started for it, often
// enough that the machine's other work can be told from ours: CPU time says more
// than the clock there.
func measureFirst(ctx context.Context, o options, r *report) error {
	s, err := attach(ctx, o)
	if err != nil {
		return err
	}
	server, err := serverOf(o.data)
	if err != nil {
		return err
	}
	for range o.first {
		if err := s.rekey(ctx); err != nil {
			return err
		}
		before := spent(server)
		took, _, err := s.query(ctx, large+" | summarize count() by bin(TimeGenerated, 1h)")
		if err != nil {
			return err
		}
		r.First = append(r.First, First{took, less(spent(server), before)})
	}
	return nil
}

// serverOf finds the server that runs on a data directory.
func serverOf(dir string) (pid int, err error) {
	all, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return 0, err
	}
	lock, err := filepath.Abs(filepath.Join(dir, "LOCK"))
	if err != nil {
		return 0, err
	}
	for _, fd := range all {
		if to, err := os.Readlink(fd); err == nil && to == lock {
			return strconv.Atoi(strings.Split(fd, "/")[2])
		}
	}
	return 0, errors.New("no process of this machine has the server's LOCK open")
}

// spent is the CPU time of a server's processes that run, by role.
func spent(server int) map[string]time.Duration {
	all := map[string]time.Duration{}
	for _, pid := range walk.Processes(server) {
		dir := fmt.Sprintf("/proc/%d/", pid)
		role := "keeper"
		if pid != server {
			command, _ := os.ReadFile(dir + "cmdline")
			environ, _ := os.ReadFile(dir + "environ")
			switch {
			case bytes.Contains(command, []byte("vault")):
				role = "vault"
			case bytes.Contains(environ, []byte(wire.ReadVariable+"=")):
				role = "reader"
			default:
				role = "writer"
			}
		}
		all[role] += scheduled(pid)
	}
	return all
}

// less is what came between two.
func less(a, b map[string]time.Duration) map[string]time.Duration {
	out := map[string]time.Duration{}
	for role, d := range a {
		out[role] = d - b[role]
	}
	return out
}

func (r *report) printFirst(to io.Writer) error {
	t := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	var took []time.Duration
	roles := map[string]bool{}
	for _, f := range r.First {
		took = append(took, f.Took)
		for role := range f.CPU {
			roles[role] = true
		}
	}
	fmt.Fprintf(t, "first answer\tmedian\tfastest\t\n")
	fmt.Fprintf(t, "time\t%s\t%s\t\n", milliseconds(took), fastest(took))
	var all []time.Duration
	for _, f := range r.First {
		sum := time.Duration(0)
		for _, d := range f.CPU {
			sum += d
		}
		all = append(all, sum)
	}
	for _, role := range slices.Sorted(maps.Keys(roles)) {
		var of []time.Duration
		for _, f := range r.First {
			of = append(of, f.CPU[role])
		}
		fmt.Fprintf(t, "CPU, %s\t%s\t%s\t\n", role, milliseconds(of), fastest(of))
	}
	fmt.Fprintf(t, "CPU, all\t%s\t%s\t\n", milliseconds(all), fastest(all))
	return t.Flush()
}
