package server_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
)

// gzipHead is the shortest header of a member, with the flags given.
func gzipHead(flags byte) []byte { return []byte{0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 0xff} }

// noise is bytes that nothing packs.
func noise(n int) []byte {
	r := rand.New(rand.NewPCG(7, 7))
	b := make([]byte, 0, n+8)
	for len(b) < n {
		b = binary.LittleEndian.AppendUint64(b, r.Uint64())
	}
	return b[:n]
}

// flipped is a copy with the byte at, counted from the end, changed.
func flipped(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[len(b)-at] ^= 1
	return b
}

// Packed bodies of whoever means harm, or whose proxy does: each is answered in
// words, nothing of it is kept, and the processes' memory does not grow with what
// it unpacks to.
func TestHostileGzipIsAnsweredInWordsAndTakesNoMemory(t *testing.T) {
	t.Parallel()
	s := linked(t)
	packed := http.Header{"Content-Encoding": {"gzip"}}
	all := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	rows := []byte("[" + row("a") + "," + row("b") + "]")
	whole := zipped(rows)
	blank := zipped(bytes.Repeat([]byte(" "), 1<<20))
	bomb := zipped(bytes.Repeat([]byte(" "), 256<<20))
	large := noise(64 << 20)
	copy(large, gzipHead(0))
	cases := []struct {
		name   string
		body   []byte
		status int
		code   string
	}{
		{"a wrong checksum", flipped(whole, 8), 400, "MalformedJson"},
		{"a wrong length", flipped(whole, 1), 400, "MalformedJson"},
		{"a length of 4 GiB", all(whole[:len(whole)-4], []byte{0xff, 0xff, 0xff, 0xff}), 400, "MalformedJson"},
		{"nothing behind the header", gzipHead(0), 400, "MalformedJson"},
		{"half a header", gzipHead(0)[:5], 400, "MalformedJson"},
		{"no byte at all", []byte{}, 400, "MalformedJson"},
		{"a member without rows", zipped(nil), 400, "MalformedJson"},
		{"text behind it", all(whole, []byte("and more")), 400, "MalformedJson"},
		{"zeros behind it", all(whole, make([]byte, 512)), 400, "MalformedJson"},
		{"half a member behind it", all(whole, whole[:len(whole)/2]), 400, "MalformedJson"},
		{"a name without an end", all(gzipHead(1<<3), bytes.Repeat([]byte("n"), 1<<20)), 400, "MalformedJson"},
		{"an extra field that is longer than all", all(gzipHead(1<<2), []byte{0xff, 0xff}), 400, "MalformedJson"},
		{"another method", all([]byte{0x1f, 0x8b, 7}, whole[3:]), 400, "MalformedJson"},
		{"a block of the kind that is none", all(gzipHead(0), []byte{7, 0, 0, 0, 0, 0, 0, 0, 0}), 400, "MalformedJson"},
		{"a match before the beginning", all(gzipHead(0), []byte{0x4b, 0x04, 0xe2, 0x00, 0, 0, 0, 0, 0, 0, 0}), 400, "MalformedJson"},
		{"packed twice", zipped(whole), 400, "MalformedJson"},
		{"a bomb of 256 MiB", bomb, 413, "ContentLengthLimitExceeded"},
		{"a bomb of many members", bytes.Repeat(blank, 64), 413, "ContentLengthLimitExceeded"},
		{"rows, then a bomb", all(whole, bomb[:min(len(bomb), 1<<20)]), 413, "ContentLengthLimitExceeded"},
		{"64 MB packed", large, 413, "ContentLengthLimitExceeded"},
	}
	for _, test := range cases {
		status, code, message, _ := s.post(post{body: bytes.NewReader(test.body), header: packed})
		if status != test.status || code != test.code || message == "" || status == 413 && !strings.Contains(message, "2097152 bytes") {
			t.Errorf("%s: %d %s %q; want %d %s", test.name, status, code, message, test.status, test.code)
		}
	}
	s.holds(0)
	// One of each at the same time, and many of the worst.
	worker := s.cluster().Logkeep.Worker.PID
	before := peak(t, worker)
	token := s.token("https://monitor.azure.com/.default")
	var clients sync.WaitGroup
	for n := range 64 {
		test := cases[n%len(cases)]
		if n >= len(cases) {
			test.body = [][]byte{bomb, cases[17].body}[n%2]
		}
		clients.Go(func() {
			status, _, message, _, err := s.tried(post{body: bytes.NewReader(test.body), header: packed, token: token})
			if err != nil || message == "" || status != 400 && status != 413 && status != 429 {
				t.Errorf("%s, among many: %d %q, %v", test.name, status, message, err)
			}
		})
	}
	clients.Wait()
	// 64 MiB of bodies at a time, as they unpack, and as much for what is packed.
	if grown := peak(t, worker) - before; grown > 256<<20 {
		t.Errorf("the worker's memory grew by %d MB", grown>>20)
	}
	for name, body := range map[string][]byte{"several members": all(zipped(rows[:9]), zipped(nil), zipped(rows[9:])), "as it should be": whole} {
		if status, code, message, _ := s.post(post{body: bytes.NewReader(body), header: packed}); status != http.StatusNoContent {
			t.Errorf("%s: %d %s %s", name, status, code, message)
		}
	}
	s.holds(4)
}

// peak is the most memory that a process has had.
func peak(t *testing.T, pid int) (bytes int64) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	must(t, err)
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	var kb int64
	if _, err := fmt.Sscan(rest, &kb); err != nil {
		t.Fatal(err)
	}
	return kb << 10
}
