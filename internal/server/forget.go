package server

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"
)

// erasing has the garbage collector overwrite whatever it frees. Go reads it
// when a process begins, and at no other time.
const erasing = "clobberfree=1"

// Erase runs this program anew if its memory is not overwritten when it is
// freed, and returns in the one whose memory is. The keeper hands on requests
// and answers in clear; libraries that do so leave copies behind.
func Erase() error {
	was := os.Getenv("GODEBUG")
	if strings.Contains(was, erasing) {
		return nil
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program's file: %w", err)
	}
	environment := []string{erasure(was)}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "GODEBUG=") {
			environment = append(environment, v)
		}
	}
	return fmt.Errorf("run %s anew: %w", program, syscall.Exec(program, os.Args, environment))
}

// erasure is the environment variable that has memory overwritten.
func erasure(others string) string {
	return "GODEBUG=" + strings.TrimPrefix(others+","+erasing, ",")
}

// forgetEvery is how long what was freed may wait for the collector.
const forgetEvery = 5 * time.Second

// garbage is how much may be there to collect, in percent of what is in use.
const garbage = 300

// forget collects garbage now and then, also in a process that is idle, so that
// what a request left does not wait for the next ones to come. What is in pools
// goes at the second time.
func forget(ctx context.Context) {
	// Between two times the collector has less to do: the live heap is small, and
	// serving many requests took a fifth of its time in collections.
	defer debug.SetGCPercent(debug.SetGCPercent(garbage))
	tick := time.NewTicker(forgetEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			runtime.GC()
		}
	}
}
